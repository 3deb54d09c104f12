"""Finds the Java that Spark and the embedded broker run on."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from firehose_dagster.errors import ExplainedError

ACCEPTED_MAJORS = (17, 21)
_REMEDY = "install Java 17 or 21 (for example Temurin or `apt install openjdk-17-jre-headless`) and set JAVA_HOME to it"
_VERSION_TIMEOUT_SECONDS = 30


class JavaUnusableError(ExplainedError):
    """There is no Java, or one of a version that Spark does not run on. The message is one line with the remedy."""


def java_executable(environment: Mapping[str, str] = os.environ) -> Path:
    """The `java` to use: JAVA_HOME's, else the first on PATH. Raises `JavaUnusableError`."""
    java = _find(environment)
    try:
        run = subprocess.run(
            [str(java), "-version"], capture_output=True, text=True, timeout=_VERSION_TIMEOUT_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise JavaUnusableError(f"{java} does not run ({error}); {_REMEDY}") from error
    major = java_major(run.stderr + run.stdout)
    if major is None:
        raise JavaUnusableError(f"{java} did not tell its version; {_REMEDY}")
    if major not in ACCEPTED_MAJORS:
        raise JavaUnusableError(f"{java} is Java {major}, which Spark 4.1 does not run on; {_REMEDY}")
    return java


def java_home(java: Path) -> Path | None:
    """JAVA_HOME that belongs to `java`, None where the folder is not laid out as one."""
    resolved = java.resolve()
    return resolved.parent.parent if resolved.parent.name == "bin" else None


def java_major(version_text: str) -> int | None:
    """The major version in the output of `java -version`: 8 of `1.8.0_412`, 17 of `17.0.15`, 21 of `21-ea`."""
    found = re.search(r'version "(?:1\.)?(\d+)', version_text)
    return int(found.group(1)) if found else None


def _find(environment: Mapping[str, str]) -> Path:
    home = environment.get("JAVA_HOME")
    if home:
        java = Path(home) / "bin" / "java"
        if not java.is_file():
            raise JavaUnusableError(f"JAVA_HOME is {home}, but there is no bin/java in it; {_REMEDY}")
        return java
    found = shutil.which("java", path=environment.get("PATH"))
    if found is None:
        raise JavaUnusableError(f"no Java was found (JAVA_HOME is not set, no `java` on PATH); {_REMEDY}")
    return Path(found)
