"""Logs to files: one file a process, one line a state change."""

import logging
from logging.handlers import RotatingFileHandler

from firehose_dagster.settings import Settings

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_MAX_BYTES = 10_000_000
_KEPT_FILES = 3


def log_to_file(settings: Settings, process: str) -> None:
    """Let this process's own loggers write to `<home>/logs/<process>.log` too; rotated at 10 MB, three files kept.

    Asked for again, it changes nothing. No two processes may have one name: each would rotate the other's file away.
    """
    path = (settings.logs_dir / f"{process}.log").absolute()
    own = logging.getLogger("firehose_dagster")
    if any(isinstance(each, RotatingFileHandler) and each.baseFilename == str(path) for each in own.handlers):
        return
    settings.logs_dir.mkdir(parents=True, exist_ok=True)
    handler = RotatingFileHandler(path, maxBytes=_MAX_BYTES, backupCount=_KEPT_FILES)
    handler.setFormatter(logging.Formatter(FORMAT))
    own.addHandler(handler)
    own.setLevel(logging.INFO)


def log_to_console() -> None:
    """Let the project's own loggers write to standard error, and of all others only warnings."""
    logging.basicConfig(level=logging.WARNING, format=FORMAT)
    logging.getLogger("firehose_dagster").setLevel(logging.INFO)
