"""How often something may be done: at most so many times within any window of so many seconds. Pure."""

from collections import deque


class Pace:
    """Counts events by the times it is given, which never go back. Not safe for threads."""

    def __init__(self, limit: int, window_seconds: float) -> None:
        if limit < 1 or window_seconds <= 0:
            raise ValueError(
                f"a pace allows at least one event in a positive time, not {limit} in {window_seconds:g} s"
            )
        self._window_seconds = window_seconds
        self._times: deque[float] = deque(maxlen=limit)

    def wait_seconds(self, now: float) -> float:
        """How long until one more is allowed; 0 when it is now."""
        if len(self._times) < (self._times.maxlen or 0):
            return 0.0
        return max(0.0, self._times[0] + self._window_seconds - now)

    def note(self, now: float) -> None:
        """One more was done."""
        self._times.append(now)
