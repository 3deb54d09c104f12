"""What keeps a lake from being written though it is in order: a full disk, a locked catalog, a clock set back.

Spark, Iceberg and SQLite each say it in words of their own, deep in a stack trace. Here it is one line, with advice.
"""

import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from py4j.protocol import Py4JError
from pyspark.errors.exceptions.base import PySparkException
from sqlalchemy.exc import SQLAlchemyError

from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.catalog import sqlite_path
from firehose_dagster.settings import Settings

_FULL = ("No space left on device", "Disk quota exceeded", "File too large", "database or disk is full", "SQLITE_FULL")
_LOCKED = ("SQLITE_BUSY", "database is locked", "SQLITE_LOCKED", "database table is locked")
_CLOCK = (
    "Expected sorted snapshot log entries",
    "Expected sorted previous metadata log entries",
    "before last updated timestamp",
    "before last snapshot log entry",
    "before the latest metadata log entry",
)
"""Iceberg takes no commit of more than a minute before the table's newest one, and may call that a bug of its own."""
_CAUSED_BY = "Caused by: "
_FRAME = re.compile(r"^\s*(at |\.\.\. \d+ more)")


class LakeTroubleError(ExplainedError):
    """The lake cannot be written at the moment; nothing half was committed, and the next start goes on."""


def root_line(error: BaseException) -> str:
    """The error in one line. Of a Java stack trace it is the innermost cause, of which the first line says nothing."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip() and not _FRAME.match(line)]
    causes = [line.removeprefix(_CAUSED_BY) for line in lines if line.startswith(_CAUSED_BY)]
    if causes:
        return causes[-1]
    java = next((line.removeprefix(": ") for line in lines if line.startswith(": ")), None)
    return java or f"{type(error).__name__}: {lines[0] if lines else ''}"


def advice(error: BaseException, settings: Settings) -> str | None:
    """What is in the way, where, and what to do; None where the error is of another kind."""
    text = _whole_text(error)
    if any(words in text for words in _FULL):
        return f"{_fullest(settings)}: make room there, the rest goes by itself"
    if any(words in text for words in _LOCKED):
        return (
            f"the catalog {sqlite_path(settings)} was locked by another process for more than "
            f"{settings.catalog_wait_seconds} s: end that one (`fuser` names it), the rest goes by itself"
        )
    if any(words in text for words in _CLOCK):
        return (
            "this machine's clock was set back: the newest commit of the table lies in its future, and Iceberg takes "
            "none before it. If the clock is right now, wait until it has passed that time: the rest goes by itself"
        )
    return None


def told(error: BaseException, settings: Settings) -> str:
    """The error in one line, and what to do where that is known."""
    what = advice(error, settings)
    return root_line(error) if what is None else f"{what} ({root_line(error)})"


@contextmanager
def explained(settings: Settings) -> Iterator[None]:
    """Within, errors of the three kinds become ``LakeTroubleError``; all others pass as they are."""
    try:
        yield
    except (OSError, SQLAlchemyError, Py4JError, PySparkException) as error:
        what = advice(error, settings)
        if what is None:
            raise
        raise LakeTroubleError(f"{what} ({root_line(error)})") from error


def _whole_text(error: BaseException) -> str:
    """Of the error and all it came from: SQLAlchemy and pyiceberg wrap what the database said."""
    texts: list[str] = []
    cause: BaseException | None = error
    while cause is not None:
        texts.append(str(cause))
        cause = cause.__cause__ or cause.__context__
    return "\n".join(texts)


def _fullest(settings: Settings) -> str:
    """Home and lake may be on two disks, and only one of them is full."""
    places = [place for place in (settings.lake_dir, settings.home) if place.exists()]
    if not places:
        return f"the disk that holds {settings.home} is full"
    free, total, place = min((*shutil.disk_usage(place)[2::-2], place) for place in places)
    return f"the disk that holds {place} is full ({free // 1_000_000:,} MB free of {total // 1_000_000:,})"
