"""Whether the process that executes a run still lives, by a lock that the operating system frees at its death.

When the code server dies its workers live on, and of one that dies later nobody tells Dagster. A lock is not fooled by
a clock that was set or a pid that was given again, and all containers of this machine that share the home see it.
"""

import fcntl
import os
from enum import StrEnum
from pathlib import Path

from firehose_dagster.settings import Settings


class RunProcess(StrEnum):
    """What the lock says of the process that executes a run."""

    ALIVE = "alive"
    DEAD = "dead"
    UNTOLD = "untold"
    """No process has told that it works on the run, so nothing is known: it may not have come so far, or could not."""


_held: list[int] = []
"""Descriptors, never closed: a run is finished by its worker's very last event, and only then may the lock be free."""


def hold_run(settings: Settings, job_name: str, run_id: str) -> None:
    """Tell that this process works on the run, for as long as it lives; what the job's dead ones left is removed."""
    folder = _folder(settings)
    folder.mkdir(parents=True, exist_ok=True)
    for left in folder.glob(f"{job_name}.*"):
        if not _is_locked(left):
            left.unlink(missing_ok=True)
    # Locked before it has its name: else a look in between would see a run whose process is gone.
    nameless = folder / f".{run_id}"
    descriptor = os.open(nameless, os.O_CREAT | os.O_RDWR, mode=0o644)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    nameless.rename(_path(settings, job_name, run_id))
    _held.append(descriptor)


def process_of(settings: Settings, job_name: str, run_id: str) -> RunProcess:
    """Whether the process that told that it works on the run lives, is dead, or none has told."""
    path = _path(settings, job_name, run_id)
    if _is_locked(path):
        return RunProcess.ALIVE
    return RunProcess.DEAD if path.exists() else RunProcess.UNTOLD


def has_lost_its_process(settings: Settings, job_name: str, run_id: str) -> bool:
    """Whether a process worked on the run and is dead. False where none has told, of which nothing is known."""
    return process_of(settings, job_name, run_id) is RunProcess.DEAD


def _is_locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        # Shared, for others look too.
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def _folder(settings: Settings) -> Path:
    return settings.state_dir / "runs"


def _path(settings: Settings, job_name: str, run_id: str) -> Path:
    return _folder(settings) / f"{job_name}.{run_id}"
