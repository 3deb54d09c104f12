"""Waiting for what other processes bring about."""

import threading
import time
from collections.abc import Callable

POLL_SECONDS = 1.0


def wait_until(condition: Callable[[], bool], patience_seconds: float) -> bool:
    """Whether the condition came true in time; asked once a second."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause()
    return True


def pause() -> None:
    """Until the next look."""
    threading.Event().wait(POLL_SECONDS)
