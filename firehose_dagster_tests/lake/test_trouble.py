"""A full disk, a locked catalog and a clock set back are told in one line, however deep they stand in a stack trace."""

import errno
from pathlib import Path

import pytest
from sqlalchemy.exc import OperationalError

from firehose_dagster.lake.trouble import LakeTroubleError, advice, explained, root_line, told
from firehose_dagster.settings import Settings

JAVA = """An error occurred while calling o312.append.
: org.apache.spark.SparkException: [TASK_WRITE_FAILED] Writing job aborted. SQLSTATE: 40000
\tat org.apache.spark.sql.errors.QueryExecutionErrors$.writingJobAbortedError(QueryExecutionErrors.scala:803)
\t... 48 more
Caused by: org.apache.iceberg.exceptions.RuntimeIOException: Failed to close current writer
\tat org.apache.iceberg.io.RollingFileWriter.closeCurrentWriter(RollingFileWriter.java:122)
\t... 12 more
Caused by: java.io.IOException: No space left on device
\tat java.base/java.io.FileOutputStream.writeBytes(Native Method)
"""
WITHOUT_CAUSE = """An error occurred while calling o7.load.
: java.lang.IllegalStateException: no such thing
\tat x.y(Z.java:1)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, catalog_wait_seconds=7)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (JAVA, "java.io.IOException: No space left on device"),
        (WITHOUT_CAUSE, "java.lang.IllegalStateException: no such thing"),
        ("one line", "RuntimeError: one line"),
        ("the first\nthe second", "RuntimeError: the first"),
        ("", "RuntimeError: "),
    ],
)
def test_the_line_is_the_innermost_cause(text: str, line: str) -> None:
    assert root_line(RuntimeError(text)) == line


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError(JAVA), "is full ("),
        (OSError(errno.ENOSPC, "No space left on device", "/x"), "make room there"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "make room there"),
        (OSError(errno.EFBIG, "File too large"), "make room there"),
        (RuntimeError("[SQLITE_FULL] Insertion failed because database is full"), "make room there"),
        (RuntimeError("[SQLITE_BUSY] The database file is locked"), "locked by another process for more than 7 s"),
        (
            OperationalError("select 1", {}, RuntimeError("database is locked")),
            "/lake/catalog.db was locked by another process",
        ),
        (
            RuntimeError("Invalid snapshot timestamp 1: before last updated timestamp 2"),
            "this machine's clock was set back",
        ),
        (RuntimeError("[BUG] Expected sorted snapshot log entries."), "this machine's clock was set back"),
        (
            RuntimeError("Invalid update timestamp 1: before last snapshot log entry at 2"),
            "this machine's clock was set back",
        ),
    ],
)
def test_what_is_in_the_way_is_told_with_what_to_do(settings: Settings, error: BaseException, words: str) -> None:
    assert words in (advice(error, settings) or "")
    assert "\n" not in told(error, settings)
    assert told(error, settings).endswith(f"({root_line(error)})")


def test_of_two_disks_the_full_one_is_named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.lake_dir.mkdir()
    free = {settings.lake_dir: 0, settings.home: 5_000_000}
    monkeypatch.setattr("shutil.disk_usage", lambda place: (9_000_000, 9_000_000 - free[place], free[place]))
    said = advice(OSError(errno.ENOSPC, "No space left on device"), settings)
    assert said is not None
    assert said.startswith(f"the disk that holds {settings.lake_dir} is full (0 MB free of 9): ")


def test_what_the_error_came_from_counts_too(settings: Settings) -> None:
    error = RuntimeError("the table could not be written")
    error.__cause__ = OSError(errno.ENOSPC, "No space left on device")
    assert "is full" in (advice(error, settings) or "")


def test_an_error_of_another_kind_has_no_advice_and_passes_as_it_is(settings: Settings) -> None:
    error = OSError("the cable is out")
    assert advice(error, settings) is None
    assert told(error, settings) == "OSError: the cable is out"
    with pytest.raises(OSError, match="the cable is out") as met, explained(settings):
        raise error
    assert met.value is error


def test_an_error_of_these_kinds_becomes_one_that_a_user_reads(settings: Settings) -> None:
    error = OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(LakeTroubleError, match="make room there") as met, explained(settings):
        raise error
    assert met.value.__cause__ is error
