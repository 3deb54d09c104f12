"""How long a source of trades may be silent, judged by its own usual rate. Pure: the clock is the caller's."""

import math
from dataclasses import dataclass

HORIZON_SECONDS = 300.0
"""The usual rate is a mean in which five minutes ago weighs a third of now."""
LONGEST_PATIENCE = 32.0


@dataclass(frozen=True, slots=True)
class Tolerance:
    """The silence that is called too long: `mean_gaps` usual gaps between trades, within the bounds."""

    mean_gaps: float
    shortest_seconds: float
    longest_seconds: float
    unknown_seconds: float
    """Where no rate is known yet."""


CONNECTION_TOLERANCE = Tolerance(mean_gaps=30, shortest_seconds=15, longest_seconds=900, unknown_seconds=60)
"""With random arrivals 30 mean gaps of silence come once in 10^13."""
SYMBOL_TOLERANCE = Tolerance(mean_gaps=50, shortest_seconds=60, longest_seconds=3_600, unknown_seconds=60)
"""One symbol's trades come in bursts; and it is only asked for by REST, at little cost, when it is silent."""


class SilenceWatch:
    """One source, told its running count of trades from time to time. Not safe for threads."""

    def __init__(self, tolerance: Tolerance, now: float) -> None:
        self._tolerance = tolerance
        self._count: int | None = None
        self._counted_at = now
        self._changed_at = now
        self._rate = 0.0
        self._weight = 0.0
        self._patience = 1.0

    def note(self, count: int, now: float) -> None:
        """The running count; one that falls is a source that began anew."""
        if self._count is None or count < self._count:
            self._count, self._counted_at, self._changed_at = count, now, now
            return
        if count == self._count:
            return
        seconds = max(now - self._counted_at, 0.001)
        if self._weight:
            # A silence that was too long is a fault, and no part of what is usual.
            seconds = min(seconds, self._usually_allowed_seconds)
        share = 1 - math.exp(-seconds / HORIZON_SECONDS)
        self._rate += share * ((count - self._count) / seconds - self._rate)
        self._weight += share * (1 - self._weight)
        self._count, self._counted_at, self._changed_at = count, now, now
        self._patience = 1.0

    def restart(self, now: float) -> None:
        """Silence counts from now, and the count from what is noted next: the source was connected anew."""
        self._count = None
        self._changed_at = self._counted_at = now

    def be_patient(self, now: float) -> None:
        """It was looked after and is silent still: the next time after twice as long, until it speaks."""
        self._patience = min(self._patience * 2, LONGEST_PATIENCE)
        self._changed_at = now

    def be_impatient(self) -> None:
        """Something may have been missed: its silence is not taken for granted any more."""
        self._patience = 1.0

    @property
    def usual_rate(self) -> float | None:
        """Trades a second; None while unknown."""
        return self._rate / self._weight if self._weight else None

    @property
    def allowed_seconds(self) -> float:
        """How long it may be silent."""
        return min(self._usually_allowed_seconds * self._patience, self._tolerance.longest_seconds)

    @property
    def silent_since(self) -> float:
        """When it spoke last, was connected or was looked after."""
        return self._changed_at

    @property
    def _usually_allowed_seconds(self) -> float:
        tolerance, rate = self._tolerance, self.usual_rate
        if not rate:
            return tolerance.unknown_seconds
        return min(max(tolerance.mean_gaps / rate, tolerance.shortest_seconds), tolerance.longest_seconds)

    def is_too_long(self, now: float) -> bool:
        """Whether it is silent far beyond its usual rate."""
        return now - self._changed_at > self.allowed_seconds
