from pathlib import Path

import pytest

from firehose_dagster.local.java import JavaUnusableError, java_executable, java_home, java_major


@pytest.mark.parametrize(
    ("text", "major"),
    [
        ('openjdk version "17.0.15" 2025-04-15', 17),
        ('java version "1.8.0_412"', 8),
        ('openjdk version "21" 2023-09-19', 21),
        ('openjdk version "25-ea" 2025-09-16', 25),
        ('Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "11.0.2" 2019-01-15', 11),
        ("command not found", None),
    ],
)
def test_the_major_version_is_read_from_what_java_prints(text: str, major: int | None) -> None:
    assert java_major(text) == major


def _fake_java(folder: Path, version: str) -> Path:
    java = folder / "bin" / "java"
    java.parent.mkdir(parents=True)
    java.write_text(f"#!/bin/sh\necho 'openjdk version \"{version}\"' >&2\n")
    java.chmod(0o755)
    return java


def test_java_home_goes_before_the_path(tmp_path: Path) -> None:
    at_home = _fake_java(tmp_path / "jdk", "17.0.1")
    on_path = _fake_java(tmp_path / "other", "21.0.1")
    assert java_executable({"JAVA_HOME": str(tmp_path / "jdk"), "PATH": str(on_path.parent)}) == at_home
    assert java_executable({"PATH": str(on_path.parent)}) == on_path
    assert java_home(at_home) == (tmp_path / "jdk").resolve()


@pytest.mark.parametrize("version", ["1.8.0_412", "11.0.2", "25.0.1"])
def test_a_java_that_spark_does_not_run_on_is_refused_in_one_line_with_the_remedy(tmp_path: Path, version: str) -> None:
    java = _fake_java(tmp_path / "jdk", version)
    with pytest.raises(JavaUnusableError, match="install Java 17 or 21") as refused:
        java_executable({"JAVA_HOME": str(java.parent.parent), "PATH": ""})
    assert "\n" not in str(refused.value)


def test_no_java_at_all_is_said_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(JavaUnusableError, match=r"no `java` on PATH.*install Java 17 or 21"):
        java_executable({"PATH": str(tmp_path)})
    with pytest.raises(JavaUnusableError, match=r"no bin/java in it"):
        java_executable({"JAVA_HOME": str(tmp_path), "PATH": ""})
