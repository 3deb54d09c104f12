"""The REST budget of each address, counted over calendar minutes like the exchange's."""

from collections.abc import Callable


class Weights:
    """Weight used by each address in the current minute."""

    def __init__(self, per_minute: int, now_us: Callable[[], int]) -> None:
        self._per_minute = per_minute
        self._now_us = now_us
        self._minute = -1
        self._used: dict[str, int] = {}

    def use(self, address: str, weight: int) -> int:
        """Count a request; the weight the address has used in this minute, this request included."""
        minute = self._now_us() // 60_000_000
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
        self._used[address] = self._used.get(address, 0) + weight
        return self._used[address]

    def retry_after_seconds(self, used: int) -> int | None:
        """Seconds to the next minute where the budget is exceeded, at least 1; None where it is not."""
        if used <= self._per_minute:
            return None
        return max(1, 60 - self._now_us() // 1_000_000 % 60)
