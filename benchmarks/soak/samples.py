"""What a running installation takes at one moment: memory and open files of each process, rows and bytes on disk."""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import psutil

from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import read_progress

_ROLES = (
    ("kafka.Kafka", "broker"),
    ("org.apache.spark.deploy.SparkSubmit", "stream JVM"),
    ("grpc", "code server"),
    ("dagster_webserver", "webserver"),
    ("dagster._daemon", "daemon"),
    ("exchange", "exchange"),
    ("receiver", "receiver"),
    ("api", "read API"),
)
"""A word of the command line, and what to call the process."""


@dataclass(frozen=True, slots=True)
class Sample:
    """Figures by name at one moment; `batches` counts since the stream's start."""

    at_seconds: float
    batches: int
    figures: dict[str, float]


def take_sample(settings: Settings) -> Sample:
    """Look at the installation of this home."""
    figures: dict[str, float] = {}
    for process in _processes(settings):
        try:
            role = _role(process, settings)
            if role is not None:
                figures[f"{role}: MB"] = process.memory_info().rss / 1e6
                figures[f"{role}: open files"] = process.num_fds()
        except psutil.Error:
            continue
    storage = settings.dagster_home
    figures["event log: rows"] = _rows(storage.rglob("*.db"), "event_logs")
    figures["ticks: rows"] = _rows(storage.rglob("*.db"), "job_ticks")
    figures["runs: rows"] = _rows(storage.rglob("*.db"), "runs")
    figures["Dagster storage: MB"] = _bytes(settings.dagster_home) / 1e6
    metadata = [path for path in settings.lake_dir.rglob("*") if path.parent.name == "metadata"]
    figures["lake metadata: MB"] = sum(map(_size, metadata)) / 1e6
    figures["lake metadata: files"] = len(metadata)
    figures["lake data: files"] = sum(1 for _ in settings.lake_dir.rglob("*.parquet"))
    figures["logs: MB"] = _bytes(settings.logs_dir) / 1e6
    figures["checkpoints: files"] = sum(path.is_file() for path in settings.checkpoint_dir.rglob("*"))
    progress = read_progress(settings)
    return Sample(time.monotonic(), 0 if progress is None else progress.batches, figures)


def _processes(settings: Settings) -> Iterator[psutil.Process]:
    for process in psutil.process_iter():
        try:
            if process.environ().get("FIREHOSE_HOME") == str(settings.home):
                yield process
        except (psutil.Error, OSError):
            continue


def _role(process: psutil.Process, settings: Settings) -> str | None:
    command = process.cmdline()
    for word, role in _ROLES:
        if word in command:
            return role
    progress = read_progress(settings)
    return "stream host" if progress is not None and process.pid == progress.pid else None


def _rows(databases: Iterator[Path], table: str) -> int:
    """Of this table in all databases that have it; Dagster keeps an event log a run."""
    rows = 0
    for path in databases:
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
                (count,) = connection.execute(f"select count(*) from {table}").fetchone()  # noqa: S608 - a name of ours
                rows += count
        except sqlite3.Error:
            continue
    return rows


def _bytes(folder: Path) -> int:
    return sum(_size(path) for path in folder.rglob("*"))


def _size(path: Path) -> int:
    """0 where it went meanwhile, and for a folder."""
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:
        return 0
