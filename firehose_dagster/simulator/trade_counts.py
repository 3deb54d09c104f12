"""How many trades a synthetic symbol has had by any minute, without counting them.

By the end of minute m there were `floor(mean * (m + 1)) + jitter(m)` trades: minutes differ, yet the total is known
at once, and so is the minute of any id. Ids start at 1 in minute 0 and have no holes.
"""

from dataclasses import dataclass

from firehose_dagster.simulator.deterministic import hash64

ORIGIN_US = 1_577_836_800_000_000
"""Minute 0 begins 2020-01-01 00:00 UTC; the synthetic market has no trade before."""
MINUTE_US = 60_000_000


def minute_at(time_us: int) -> int:
    """The minute, counted from the origin, that holds the time; negative before the origin."""
    return (time_us - ORIGIN_US) // MINUTE_US


def start_us(minute: int) -> int:
    """Epoch microseconds at which the minute begins."""
    return ORIGIN_US + minute * MINUTE_US


@dataclass(frozen=True, slots=True)
class TradeCounts:
    """The counts of one symbol; `per_thousand_minutes` is the mean, at least 1."""

    seed: int
    symbol: str
    per_thousand_minutes: int

    def until(self, minute: int) -> int:
        """Trades from the origin to the end of `minute`; also the highest id by then."""
        if minute < 0:
            return 0
        return self.per_thousand_minutes * (minute + 1) // 1_000 + self._jitter(minute)

    def count(self, minute: int) -> int:
        """Trades within the minute, never negative: the jitter is at most half the mean."""
        return self.until(minute) - self.until(minute - 1)

    def first_id(self, minute: int) -> int:
        """Id of the minute's first trade, if it has one."""
        return self.until(minute - 1) + 1

    def minute_of(self, agg_id: int) -> int:
        """The minute in which the trade with this id (1 or higher) happens."""
        minute = max(0, agg_id * 1_000 // self.per_thousand_minutes - 2)
        while minute > 0 and self.until(minute - 1) >= agg_id:
            minute -= 1
        while self.until(minute) < agg_id:
            minute += 1
        return minute

    def _jitter(self, minute: int) -> int:
        span = self.per_thousand_minutes // 2_000
        return hash64(self.seed, self.symbol, "jitter", minute) % (span + 1)
