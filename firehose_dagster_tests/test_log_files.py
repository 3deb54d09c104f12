"""Logs to files: a line once, in the file of its job."""

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from firehose_dagster.log_files import log_to_file
from firehose_dagster.settings import Settings


@pytest.fixture
def own() -> Iterator[logging.Logger]:
    """The project's logger, left as it was."""
    logger = logging.getLogger("firehose_dagster")
    before, level = list(logger.handlers), logger.level
    yield logger
    for handler in set(logger.handlers) - set(before):
        logger.removeHandler(handler)
        handler.close()
    logger.setLevel(level)


def test_a_line_is_written_once_however_often_the_file_was_asked_for(own: logging.Logger, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    for _ in range(3):
        log_to_file(settings, "compact")
    own.info("merged files=7")
    (line,) = (settings.logs_dir / "compact.log").read_text().splitlines()
    assert line.endswith("INFO firehose_dagster merged files=7")


def test_two_homes_have_a_file_each(own: logging.Logger, tmp_path: Path) -> None:
    homes = [Settings(home=tmp_path / name) for name in ("one", "two")]
    for settings in homes:
        log_to_file(settings, "compact")
    own.info("merged")
    assert [len((each.logs_dir / "compact.log").read_text().splitlines()) for each in homes] == [1, 1]
