"""The named moments at which a process may die, and the means to make it die there.

Production passes them by: a call is one comparison. A test arms one, in its own process by `crashing`, in another by
the environment variable `CRASH_AT`: `<point>` or `<point>#<n>` for the nth time that it is reached; there the process
gets SIGKILL, which nothing can catch. What each would break in a naive pipeline: docs/crash-points.md.
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

ENVIRONMENT_VARIABLE = "CRASH_AT"


class CrashPoint(StrEnum):
    """In the order in which a spike's trade passes them."""

    LEASE_TAKEN = "lease-taken"
    BATCH_PLANNED = "batch-planned"
    """Spark has written the batch's offsets, nothing else was done."""
    BRONZE_COMMITTED = "bronze-committed"
    BATCH_CLASSIFIED = "batch-classified"
    QUARANTINE_COMMITTED = "quarantine-committed"
    SILVER_COMMITTED = "silver-committed"
    SPIKES_FILE_WRITTEN = "crypto_spikes-file-written"
    SPIKES_COMMITTED = "crypto_spikes-committed"
    GOLD_FILE_WRITTEN = "crypto_gold_minute-file-written"
    GOLD_COMMITTED = "crypto_gold_minute-committed"
    AUDIT_BUFFERED = "audit-buffered"
    BATCH_DONE = "batch-done"
    """All tables hold it; Spark has not yet written that it is committed."""
    AUDIT_FILE_WRITTEN = "ops_audit-file-written"
    AUDIT_COMMITTED = "ops_audit-committed"
    ALERT_SELECTED = "alert-selected"
    ALERT_POSTED = "alert-posted"
    ALERT_RECORDED = "alert-recorded"


class CrashError(BaseException):
    """Raised in place of a crash where one is simulated; no handler of errors sees it."""


@dataclass
class _Armed:
    point: CrashPoint
    passes_left: int
    kills: bool
    lock: threading.Lock = field(default_factory=threading.Lock)


def _from_environment() -> _Armed | None:
    """Raises ValueError for a name that is no point: a test of nothing would be green."""
    text = os.environ.get(ENVIRONMENT_VARIABLE)
    if not text:
        return None
    name, _, times = text.partition("#")
    return _Armed(CrashPoint(name), int(times or 1), kills=True)


_armed = _from_environment()


def reached(point: CrashPoint | None) -> None:
    """Die here, if this point is armed; None is no point."""
    if _armed is None or point is not _armed.point:
        return
    with _armed.lock:
        _armed.passes_left -= 1
        if _armed.passes_left == 0:
            if _armed.kills:
                os.kill(os.getpid(), signal.SIGKILL)
            raise CrashError(point)


@contextmanager
def crashing(point: CrashPoint, times: int = 1) -> Iterator[None]:
    """Within, the `times`-th pass of the point raises ``CrashError``; the block must end by it."""
    global _armed
    before, _armed = _armed, _Armed(point, times, kills=False)
    try:
        yield
    except CrashError:
        return
    finally:
        _armed = before
    raise AssertionError(f"{point} was not reached {times} times")
