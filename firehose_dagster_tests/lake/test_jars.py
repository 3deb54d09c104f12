"""The manifest of the jars; the resolution itself needs a Maven repository and is run by `make setup`."""

from pathlib import Path

import msgspec
import pytest

from firehose_dagster.lake import jars
from firehose_dagster.lake.jars import (
    COORDINATES,
    KAFKA_GROUP,
    S3_GROUP,
    SPARK_GROUP,
    JarsMissingError,
    kafka_jars,
    resolve_jars,
    spark_jars,
)


@pytest.fixture
def resolved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Replaces the resolution by one that writes a file a group; returns the groups resolved, as they come."""
    calls: list[str] = []

    def resolve(group: str, ivy_dir: Path, target: Path) -> tuple[str, ...]:
        calls.append(group)
        target.mkdir(exist_ok=True)
        (target / f"{group}.jar").write_bytes(b"jar")
        return (f"{group}.jar",)

    monkeypatch.setattr(jars, "_resolve_group", resolve)
    return calls


def _quiet(line: str) -> None:
    return


def test_the_second_call_resolves_nothing(tmp_path: Path, resolved: list[str]) -> None:
    resolve_jars(tmp_path, _quiet)
    assert resolved == [SPARK_GROUP, S3_GROUP, KAFKA_GROUP]
    resolve_jars(tmp_path, _quiet)
    assert len(resolved) == 3


def test_only_a_group_with_other_coordinates_or_a_lost_file_is_resolved_anew(
    tmp_path: Path, resolved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve_jars(tmp_path, _quiet)
    resolved.clear()
    monkeypatch.setattr(jars, "COORDINATES", {**COORDINATES, KAFKA_GROUP: ("org.apache.kafka:kafka_2.13:9.9.9",)})
    with pytest.raises(JarsMissingError, match="another version"):
        kafka_jars(tmp_path)
    resolve_jars(tmp_path, _quiet)
    assert resolved == [KAFKA_GROUP]
    (tmp_path / SPARK_GROUP / "spark.jar").unlink()
    with pytest.raises(JarsMissingError, match=r"spark\.jar is missing; run `make setup`"):
        spark_jars(tmp_path)
    resolve_jars(tmp_path, _quiet)
    assert resolved == [KAFKA_GROUP, SPARK_GROUP]


def test_an_interrupted_resolution_keeps_what_was_done_and_is_not_taken_for_complete(
    tmp_path: Path, resolved: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = jars._resolve_group

    def interrupted(group: str, ivy_dir: Path, target: Path) -> tuple[str, ...]:
        if group == S3_GROUP:
            raise KeyboardInterrupt
        return whole(group, ivy_dir, target)

    monkeypatch.setattr(jars, "_resolve_group", interrupted)
    with pytest.raises(KeyboardInterrupt):
        resolve_jars(tmp_path, _quiet)
    assert [path.name for path in spark_jars(tmp_path)] == ["spark.jar"]
    with pytest.raises(JarsMissingError):
        spark_jars(tmp_path, s3=True)
    monkeypatch.setattr(jars, "_resolve_group", whole)
    resolve_jars(tmp_path, _quiet)
    assert resolved == [SPARK_GROUP, S3_GROUP, KAFKA_GROUP]


def test_the_s3_bundle_is_handed_out_only_where_asked_for(tmp_path: Path, resolved: list[str]) -> None:
    resolve_jars(tmp_path, _quiet)
    assert [path.name for path in spark_jars(tmp_path)] == ["spark.jar"]
    assert {path.name for path in spark_jars(tmp_path, s3=True)} == {"spark-aws.jar", "spark.jar"}


def test_the_brokers_class_path_has_the_scala_library_of_pyspark(tmp_path: Path, resolved: list[str]) -> None:
    resolve_jars(tmp_path, _quiet)
    names = [path.name for path in kafka_jars(tmp_path)]
    assert names[0] == "kafka.jar"
    assert [name for name in names if name.startswith("scala-library-2.13")]


@pytest.mark.parametrize("manifest", [b"", b"{", msgspec.json.encode({"coordinates": {}})])
def test_a_damaged_manifest_counts_as_no_jars(tmp_path: Path, manifest: bytes) -> None:
    (tmp_path / jars.MANIFEST_NAME).write_bytes(manifest)
    with pytest.raises(JarsMissingError, match="run `make setup`"):
        spark_jars(tmp_path)
