"""The jars that Spark and the embedded broker need: pinned, resolved once into one folder by Spark's own Ivy."""

import logging
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

import msgspec
import pyspark
from filelock import FileLock

from firehose_dagster.errors import ExplainedError

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
    # Kafka's own log binding is not among its dependencies; without one it says nothing.
    KAFKA_GROUP: ("org.apache.kafka:kafka_2.13:4.2.2", "org.slf4j:slf4j-simple:1.7.36"),
}
"""Maven coordinates by folder. The folders are apart because the broker's libraries are newer than Spark's."""

MANIFEST_NAME: Final = "manifest.json"
_RESOLVE_TIMEOUT_SECONDS: Final = 900
_SHOWN_ERROR_LINES: Final = 12


class _Resolved(msgspec.Struct, frozen=True):
    """A group in the manifest: what was asked for, and the files that came."""

    coordinates: tuple[str, ...]
    files: tuple[str, ...]


class JarsMissingError(ExplainedError):
    """The jars were not resolved into the folder, or other ones than this version needs."""


class JarsUnresolvedError(ExplainedError):
    """Ivy could not resolve or download the jars; the message says what it printed."""


def resolve_jars(jars_dir: Path, on_progress: Callable[[str], None] = print) -> None:
    """Make `jars_dir` hold the jars of `COORDINATES`, a folder a group; returns at once where it does already.

    A group enters the manifest after its files, so an interrupted call leaves nothing that looks complete; calls of
    several processes wait for each other. Needs Java. Raises `JarsUnresolvedError`.
    """
    if not _stale_groups(jars_dir):
        return
    jars_dir.mkdir(parents=True, exist_ok=True)
    with FileLock(jars_dir / ".lock"):
        stale = _stale_groups(jars_dir)
        ivy_dir = jars_dir / ".ivy"
        for number, group in enumerate(stale, start=1):
            on_progress(f"jars {number}/{len(stale)}: resolving {', '.join(COORDINATES[group])}")
            started = time.monotonic()
            names = _resolve_group(group, ivy_dir, jars_dir / group)
            megabytes = sum((jars_dir / group / name).stat().st_size for name in names) / 1e6
            elapsed_seconds = time.monotonic() - started
            on_progress(f"jars {number}/{len(stale)}: {len(names)} files, {megabytes:.0f} MB, {elapsed_seconds:.0f} s")
            _enter_in_manifest(jars_dir, group, names)
            _LOGGER.info("jars resolved dir=%s files=%d", jars_dir / group, len(names))
        shutil.rmtree(ivy_dir, ignore_errors=True)


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
    manifest = _read_manifest(jars_dir)
    for group in groups:
        problem = _group_problem(jars_dir, manifest, group)
        if problem is not None:
            raise JarsMissingError(f"{problem}; run `make setup` (or `firehose setup`)")
    return tuple(sorted(jars_dir / group / name for group in groups for name in manifest[group].files))


def _stale_groups(jars_dir: Path) -> tuple[str, ...]:
    manifest = _read_manifest(jars_dir)
    return tuple(group for group in COORDINATES if _group_problem(jars_dir, manifest, group) is not None)


def _group_problem(jars_dir: Path, manifest: Mapping[str, _Resolved], group: str) -> str | None:
    """None where the manifest names the coordinates in force and every file of `group` is there."""
    entry = manifest.get(group)
    if entry is None:
        return f"no jars of group {group} in {jars_dir}"
    if entry.coordinates != COORDINATES[group]:
        return f"the jars of group {group} in {jars_dir} are of another version"
    for name in entry.files:
        if not (jars_dir / group / name).is_file():
            return f"{jars_dir / group / name} is missing"
    return None


def _read_manifest(jars_dir: Path) -> dict[str, _Resolved]:
    """Groups resolved so far; a manifest that is absent or damaged says nothing."""
    try:
        return msgspec.json.decode((jars_dir / MANIFEST_NAME).read_bytes(), type=dict[str, _Resolved])
    except (FileNotFoundError, msgspec.DecodeError):
        return {}


def _enter_in_manifest(jars_dir: Path, group: str, names: tuple[str, ...]) -> None:
    manifest = {**_read_manifest(jars_dir), group: _Resolved(coordinates=COORDINATES[group], files=names)}
    partial = jars_dir / f"{MANIFEST_NAME}.partial"
    partial.write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))
    partial.replace(jars_dir / MANIFEST_NAME)


def _resolve_group(group: str, ivy_dir: Path, target: Path) -> tuple[str, ...]:
    """Let Spark's Ivy fetch the group, and move what it retrieved to `target`. Returns the file names."""
    coordinates = COORDINATES[group]
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
    if group != KAFKA_GROUP:
        names = _without_what_pyspark_has(retrieved, names)
    shutil.rmtree(target, ignore_errors=True)
    retrieved.rename(target)
    return tuple(names)


def _without_what_pyspark_has(retrieved: Path, names: list[str]) -> list[str]:
    """Delete the jars that are on Spark's class path anyway. Ivy's names are `<group>_<artifact>-<version>.jar`."""
    shipped = tuple(f"_{path.name}" for path in (pyspark_home() / "jars").glob("*.jar"))
    for name in names:
        if name.endswith(shipped):
            (retrieved / name).unlink()
    return [name for name in names if not name.endswith(shipped)]
