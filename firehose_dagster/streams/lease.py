"""The single-writer lease: one stream a lake. A file lock held by the JVM, for the JVM is what writes."""

import contextlib
import fcntl
import json
import logging
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from firehose_dagster.errors import ExplainedError
from firehose_dagster.settings import Settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

logger = logging.getLogger(__name__)

_TRIES = 5
_BETWEEN_TRIES_SECONDS = 0.05
_LAST_BREATH_SECONDS = 10
"""In which a JVM ends whose Python was killed; on a busy machine it took some 2 s."""


class StreamAlreadyRunningError(ExplainedError):
    """Another process writes to this lake."""


class LeaseLostError(ExplainedError):
    """The lock file was deleted or replaced under the stream that holds it: the next stream would not be refused."""


@dataclass(frozen=True, slots=True)
class LeaseOwner:
    """Who holds the lease, as it said when it took it."""

    pid: int
    name: str
    since: str


def lease_is_held(settings: Settings) -> bool:
    """Whether a stream writes to this lake now. Cheap, needs no JVM.

    Asks the operating system, not a file's content: the lock of a process that died is free.
    """
    path = _lock_path(settings)
    if not path.exists():
        return False
    # `lockf`, for a Java file lock is a POSIX record lock and `flock` does not see it. Shared, for others look too.
    with path.open("r+") as file:
        try:
            fcntl.lockf(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
        fcntl.lockf(file, fcntl.LOCK_UN)
    return False


def lease_owner(settings: Settings) -> LeaseOwner | None:
    """Who took the lease last; it may be gone since."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError, TypeError):
        return LeaseOwner(**json.loads(_owner_path(settings).read_text()))
    return None


def refuse_if_held(settings: Settings) -> None:
    """Raises ``StreamAlreadyRunningError`` where a stream writes to this lake: no session is started for nothing.

    At once, but where the owner's process is dead: its JVM, which holds the lock, is waited for some seconds.
    """
    owner = lease_owner(settings)
    last_breath = time.monotonic() + _LAST_BREATH_SECONDS
    while (is_held := lease_is_held(settings)) and owner is not None and not psutil.pid_exists(owner.pid):
        if time.monotonic() >= last_breath:
            break
        time.sleep(_BETWEEN_TRIES_SECONDS)
    if is_held:
        holder = f"process {owner.pid} ({owner.name}, since {owner.since})" if owner else "another process"
        raise StreamAlreadyRunningError(
            f"the lake under {settings.home} is written by {holder}; a lake has one writer: stop that one first"
        )


class StreamLease:
    """Held from `take` to `release`, or to the death of the JVM."""

    def __init__(self, spark: "SparkSession", settings: Settings) -> None:
        self._jvm: Any = spark._jvm
        self._settings = settings
        self._channel: Any = None
        self._locked_file: tuple[int, int] | None = None

    def take(self, name: str) -> None:
        """Raises ``StreamAlreadyRunningError`` where another one was faster, in this process or in another."""
        # Before the file is opened: to close it would free the lock that this very JVM may hold on it.
        refuse_if_held(self._settings)
        path = _lock_path(self._settings)
        path.parent.mkdir(parents=True, exist_ok=True)
        self._channel = self._jvm.java.io.RandomAccessFile(str(path), "rw").getChannel()
        if not self._is_locked():
            self._channel.close()
            refuse_if_held(self._settings)
            raise StreamAlreadyRunningError(f"the lake under {self._settings.home} is written by another process")
        self._locked_file = _file_identity(path)
        owner = {"pid": os.getpid(), "name": name, "since": datetime.now(UTC).isoformat(timespec="seconds")}
        _owner_path(self._settings).write_text(json.dumps(owner))
        logger.info("lease taken pid=%d name=%s", os.getpid(), name)

    def _is_locked(self) -> bool:
        """Not by the first try alone: who looks whether the lease is held has the lock for that moment."""
        for _ in range(_TRIES):
            if self._channel.tryLock() is not None:
                return True
            time.sleep(_BETWEEN_TRIES_SECONDS)
        return False

    def require_held(self) -> None:
        """Raises ``LeaseLostError`` where the lock's file is not there any more, or is another one."""
        path = _lock_path(self._settings)
        if _file_identity(path) != self._locked_file:
            raise LeaseLostError(
                f"{path} was deleted or replaced while this stream ran: a second one would not have been refused. "
                "This one stopped; start one again, and look with `firehose verify` whether two have written"
            )

    def release(self) -> None:
        """Let the next writer in."""
        self._channel.close()
        logger.info("lease released pid=%d", os.getpid())


def _file_identity(path: Path) -> tuple[int, int] | None:
    """Device and inode: a name can be another file's, and the number of a file that is open is not given again."""
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_dev, status.st_ino


def _lock_path(settings: Settings) -> Path:
    return settings.state_dir / "streams.lease"


def _owner_path(settings: Settings) -> Path:
    return settings.state_dir / "streams.lease.json"
