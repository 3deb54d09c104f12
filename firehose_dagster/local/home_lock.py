"""One installation runs on a home at a time: a lock that ends with the process that holds it."""

import logging
from pathlib import Path
from typing import Self

import psutil
from filelock import FileLock, Timeout

from firehose_dagster.errors import ExplainedError
from firehose_dagster.local.leftovers import stop_leftovers

_LOGGER = logging.getLogger(__name__)

_TAKEOVER_SECONDS = 120.0
"""While the owner is dead, its watcher may hold the lock, stopping what was left."""
_STOP_SECONDS = 300.0


class AlreadyRunningError(ExplainedError):
    """Another process runs an installation on this home."""


class HomeLock:
    """The lock of one home. The operating system frees it when its holder dies, however it dies."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._directory = home / "supervisor"
        self._lock = FileLock(self._directory / "lock")

    def acquire(self) -> Self:
        """Take the lock and write down our pid. Raises `AlreadyRunningError` naming the holder."""
        self._directory.mkdir(parents=True, exist_ok=True)
        owner = self.owner_pid()
        patience_seconds = 0.0 if owner is None or psutil.pid_exists(owner) else _TAKEOVER_SECONDS
        try:
            self._lock.acquire(timeout=patience_seconds)
        except Timeout as error:
            raise AlreadyRunningError(
                f"an installation already runs on {self._home} (pid {self.owner_pid() or 'unknown'}); "
                f"stop it with `firehose stop --home {self._home}`, or choose another --home"
            ) from error
        self._pid_path.write_text(str(psutil.Process().pid))
        return self

    def try_acquire(self, patience_seconds: float = 0.0) -> bool:
        """Take the lock if it is or becomes free in time, without becoming the owner."""
        self._directory.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=patience_seconds)
        except Timeout:
            return False
        return True

    def release(self) -> None:
        """Give the lock back."""
        self._lock.release()

    def owner_pid(self) -> int | None:
        """The pid that last took the lock; that process may be dead."""
        try:
            return int(self._pid_path.read_text())
        except (FileNotFoundError, ValueError):
            return None

    @property
    def _pid_path(self) -> Path:
        return self._directory / "owner.pid"


def stop_installation(home: Path) -> bool:
    """`firehose stop`: ask the owner to stop everything in order and wait; then stop what a dead owner left.

    Returns whether anything ran. Raises `AlreadyRunningError` where the owner does not end within five minutes.
    """
    lock = HomeLock(home)
    if not home.is_dir():
        return False
    ran = False
    if not lock.try_acquire():
        ran = True
        owner = lock.owner_pid()
        if owner is not None and psutil.pid_exists(owner):
            _LOGGER.info("asking owner to stop pid=%d home=%s", owner, home)
            psutil.Process(owner).terminate()
        if not lock.try_acquire(_STOP_SECONDS):
            raise AlreadyRunningError(f"pid {owner} did not stop {home} within {_STOP_SECONDS:.0f} s")
    try:
        return stop_leftovers(home) > 0 or ran
    finally:
        lock.release()
