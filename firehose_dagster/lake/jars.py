"""The jars that Spark and the embedded broker need: pinned, resolved once into one folder by Spark's own Ivy."""

import json
import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import pyspark
from filelock import FileLock

_LOGGER = logging.getLogger(__name__)

SPARK_GROUP: Final = "spark"
S3_GROUP: Final = "spark-aws"
KAFKA_GROUP: Final = "kafka"

COORDINATES: Mapping[str, tuple[str, ...]] = {
    SPARK_GROUP: (
        "org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0",
        "org.apache.spark:spark-sql-kafka-0-10_2.13:4.1.1",
        "org.xerial:sqlite-jdbc:3.54.1.0",
    ),
    S3_GROUP: ("org.apache.iceberg:iceberg-aws-bundle:1.12.0",),
    KAFKA_GROUP: ("org.apache.kafka:kafka_2.13:4.2.2",),
}
"""Maven coordinates by folder. The folders are apart because the broker's libraries are newer than Spark's."""

MANIFEST_NAME: Final = "manifest.json"
_RESOLVE_TIMEOUT_SECONDS: Final = 900
_SHOWN_ERROR_LINES: Final = 12


class JarsMissingError(RuntimeError):
    """The jars were not resolved into the folder, or other ones than this version needs."""


class JarsUnresolvedError(RuntimeError):
    """Ivy could not resolve or download the jars; the message says what it printed."""


def resolve_jars(jars_dir: Path, on_progress: Callable[[str], None] = print) -> None:
    """Make `jars_dir` hold the jars of `COORDINATES`, a folder a group; returns at once where it does already.

    The manifest is written last, so an interrupted call leaves nothing that looks complete, and calls of several
    processes wait for each other. Needs Java. Raises `JarsUnresolvedError`.
    """
    if _manifest_problem(jars_dir, tuple(COORDINATES)) is None:
        return
    jars_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(jars_dir / ".lock"):
        if _manifest_problem(jars_dir, tuple(COORDINATES)) is None:
            return
        (jars_dir / MANIFEST_NAME).unlink(missing_ok=True)
        ivy_dir = jars_dir / ".ivy"
        files: dict[str, list[str]] = {}
        for number, (group, coordinates) in enumerate(COORDINATES.items(), start=1):
            on_progress(f"jars {number}/{len(COORDINATES)}: resolving {', '.join(coordinates)}")
            started = time.monotonic()
            files[group] = _resolve_group(coordinates, ivy_dir, jars_dir / group)
            megabytes = sum((jars_dir / group / name).stat().st_size for name in files[group]) / 1e6
            elapsed = time.monotonic() - started
            on_progress(
                f"jars {number}/{len(COORDINATES)}: {len(files[group])} files, {megabytes:.0f} MB, {elapsed:.0f} s"
            )
        shutil.rmtree(ivy_dir, ignore_errors=True)
        _write_manifest(jars_dir, files)
    _LOGGER.info("jars resolved dir=%s files=%d", jars_dir, sum(map(len, files.values())))


def spark_jars(jars_dir: Path, *, s3: bool = False) -> tuple[Path, ...]:
    """Paths for Spark's `spark.jars`, sorted; with `s3`, those for a warehouse on S3 too. Raises `JarsMissingError`."""
    return _jars(jars_dir, (SPARK_GROUP, S3_GROUP) if s3 else (SPARK_GROUP,))


def kafka_jars(jars_dir: Path) -> tuple[Path, ...]:
    """The broker's class path, sorted: its own jars and the Scala library of pyspark. Raises `JarsMissingError`."""
    scala = sorted((pyspark_home() / "jars").glob("scala-library-2.13.*.jar"))
    if not scala:
        raise JarsMissingError(f"no scala-library in {pyspark_home() / 'jars'}; reinstall pyspark: run `make setup`")
    return (*_jars(jars_dir, (KAFKA_GROUP,)), *scala)


def pyspark_home() -> Path:
    """SPARK_HOME of the pip-installed pyspark."""
    return Path(pyspark.__file__).parent


def _jars(jars_dir: Path, groups: tuple[str, ...]) -> tuple[Path, ...]:
    problem = _manifest_problem(jars_dir, groups)
    if problem is not None:
        raise JarsMissingError(f"{problem}; run `make setup` (or `firehose setup`)")
    files = json.loads((jars_dir / MANIFEST_NAME).read_text())["files"]
    return tuple(sorted(jars_dir / group / name for group in groups for name in files[group]))


def _manifest_problem(jars_dir: Path, groups: tuple[str, ...]) -> str | None:
    """None where the manifest names the coordinates in force and every file of `groups` is there."""
    try:
        manifest = json.loads((jars_dir / MANIFEST_NAME).read_text())
    except FileNotFoundError:
        return f"no jars in {jars_dir}"
    except ValueError:
        return f"the manifest in {jars_dir} is damaged"
    for group in groups:
        if tuple(manifest["coordinates"].get(group, ())) != COORDINATES[group]:
            return f"the jars in {jars_dir} are of another version ({group})"
        for name in manifest["files"][group]:
            if not (jars_dir / group / name).is_file():
                return f"{jars_dir / group / name} is missing"
    return None


def _resolve_group(coordinates: tuple[str, ...], ivy_dir: Path, target: Path) -> list[str]:
    """Let Spark's Ivy fetch `coordinates`, and move what it retrieved to `target`. Returns the file names."""
    retrieved = ivy_dir / "jars"
    shutil.rmtree(retrieved, ignore_errors=True)
    home = pyspark_home()
    command = [
        str(home / "bin" / "spark-submit"),
        *("--packages", ",".join(coordinates)),
        *("--conf", f"spark.jars.ivy={ivy_dir}"),
        # Any class with a short main: the packages are resolved before it runs, and no Spark session starts.
        *("--class", "org.apache.hadoop.util.VersionInfo", "spark-internal"),
    ]
    environment = {**os.environ, "SPARK_HOME": str(home), "PYSPARK_PYTHON": sys.executable}
    try:
        run = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=_RESOLVE_TIMEOUT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise JarsUnresolvedError(
            f"resolving {', '.join(coordinates)} took longer than {_RESOLVE_TIMEOUT_SECONDS} s; "
            "is the Maven repository reachable?"
        ) from error
    names = sorted(path.name for path in retrieved.glob("*.jar"))
    if run.returncode != 0 or not names:
        lines = [line for line in (run.stderr + run.stdout).splitlines() if line.strip()][-_SHOWN_ERROR_LINES:]
        raise JarsUnresolvedError(
            f"could not resolve {', '.join(coordinates)} (spark-submit ended with {run.returncode}). "
            "Behind a mirror, name it in DEFAULT_ARTIFACT_REPOSITORY or in Spark's `spark.jars.ivySettings`. "
            "It printed last:\n  " + "\n  ".join(lines)
        )
    shutil.rmtree(target, ignore_errors=True)
    retrieved.rename(target)
    return names


def _write_manifest(jars_dir: Path, files: Mapping[str, list[str]]) -> None:
    text = json.dumps({"coordinates": COORDINATES, "files": files}, indent=1)
    partial = jars_dir / f"{MANIFEST_NAME}.partial"
    partial.write_text(text)
    partial.replace(jars_dir / MANIFEST_NAME)
