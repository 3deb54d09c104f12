"""From a file's own timeline to the wall clock."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pace:
    """`origin_us` on the timeline is `started_at_us` by the wall clock; gaps are divided by `speed`, at 0 kept."""

    origin_us: int
    started_at_us: int
    speed: float

    def wall_us(self, timeline_us: int) -> int:
        """Epoch microseconds on the wall clock."""
        elapsed_us = timeline_us - self.origin_us
        if self.speed not in (0.0, 1.0):
            elapsed_us = round(elapsed_us / self.speed)
        return self.started_at_us + elapsed_us

    def timeline_us(self, wall_us: int) -> int:
        """The last place on the timeline whose `wall_us` is not after the given one, within rounding."""
        elapsed_us = wall_us - self.started_at_us
        if self.speed not in (0.0, 1.0):
            elapsed_us = int(elapsed_us * self.speed)
        return self.origin_us + elapsed_us
