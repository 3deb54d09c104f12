"""The limit on WebSocket handshakes: 300 within 5 minutes and address, refused ones counted too."""

import math
import time
from collections import deque
from collections.abc import Callable

WINDOW_SECONDS = 300.0


class ConnectionAttempts:
    """A sliding window for each address; `clock` counts seconds."""

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._attempts: dict[str, deque[float]] = {}
        self.total = 0

    def refused_for_seconds(self, address: str) -> int | None:
        """Count an attempt; None where it is allowed, else the seconds until one is again, if none comes between."""
        now = self._clock()
        self.total += 1
        attempts = self._attempts.setdefault(address, deque(maxlen=self._most))
        oldest = attempts[0] if len(attempts) == self._most else None
        attempts.append(now)
        if oldest is None or now - oldest >= WINDOW_SECONDS:
            return None
        return max(1, math.ceil(attempts[0] + WINDOW_SECONDS - now))
