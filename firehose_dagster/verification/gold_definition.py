"""Gold by its definition (docs/gold.md), in whole numbers: an independent second writing of it, exact everywhere.

Prices, quantities and volumes are whole numbers of 1e-8, notionals of 1e-16. Nothing is divided but in `rounded`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction

UNIT = 10**8
MINUTE_US = 60_000_000


@dataclass(frozen=True, slots=True)
class SpikeRule:
    """The thresholds in force."""

    history_minutes: int
    min_history: int
    volume_ratio: Fraction
    price_ratio: Fraction
    price_min_move: Fraction


@dataclass(frozen=True, slots=True)
class BaseMinute:
    """What one minute's trades alone determine; `minute` counts minutes since 1970."""

    symbol: str
    minute: int
    open: int
    high: int
    low: int
    close: int
    volume: int
    quote_volume: int
    trades: int
    first_agg_id: int
    last_agg_id: int


@dataclass(frozen=True, slots=True)
class DerivedFeatures:
    """What the minute's neighbours have a say in; units of 1e-8."""

    vwap: int
    volume_5m: int
    price_ma_30m: int
    return_1m: int | None
    is_price_spike: bool
    is_volume_spike: bool
    price_spike_score: int | None
    volume_spike_score: int | None
    is_complete: bool
    is_final: bool


def rounded(numerator: int, denominator: int) -> int:
    """The quotient as a whole number, halves away from zero. Raises ZeroDivisionError."""
    negative = (numerator < 0) != (denominator < 0)
    quotient, rest = divmod(abs(numerator), abs(denominator))
    quotient += 2 * rest >= abs(denominator)
    return -quotient if negative else quotient


def derive(
    minutes: Iterable[BaseMinute],
    rule: SpikeRule,
    watermark_us: int,
    absent: Callable[[str, int, int], int] = lambda symbol, first, last: 0,
) -> Iterator[tuple[BaseMinute, DerivedFeatures]]:
    """Each minute with its features. `minutes` come by symbol and then by time.

    `absent` says how many of a symbol's ids, from one to another, silver does not hold because the exchange has none.
    """
    earlier: deque[BaseMinute] = deque()
    for this in minutes:
        if earlier and earlier[-1].symbol != this.symbol:
            earlier.clear()
        # The latest one stays however old it is: completeness asks for it.
        while len(earlier) > 1 and earlier[0].minute < this.minute - 30:
            earlier.popleft()
        yield this, features_of(this, list(earlier), rule, watermark_us, absent)
        earlier.append(this)


def features_of(
    this: BaseMinute,
    earlier: list[BaseMinute],
    rule: SpikeRule,
    watermark_us: int,
    absent: Callable[[str, int, int], int],
) -> DerivedFeatures:
    """The features of a minute; `earlier` are the symbol's minutes before it, 30 minutes back at least."""

    def since(back: int) -> list[BaseMinute]:
        return [each for each in earlier if each.minute >= this.minute - back]

    closes = [each.close for each in since(29)] + [this.close]
    before = since(30)
    reference = since(rule.history_minutes)
    price_score = volume_score = None
    is_price_spike = is_volume_spike = False
    count = len(reference)
    if count >= rule.min_history:
        volumes = sum(each.volume for each in reference)
        ranges = sum(each.high - each.low for each in reference)
        start = reference[-1].close
        distance = max(this.high - start, start - this.low)
        volume_score = rounded(this.volume * count * UNIT, volumes)
        is_volume_spike = this.volume * count >= rule.volume_ratio * volumes
        if ranges:
            price_score = rounded(distance * count * UNIT, ranges)
        is_price_spike = (
            distance > 0 and distance >= rule.price_min_move * start and distance * count >= rule.price_ratio * ranges
        )
    return DerivedFeatures(
        vwap=rounded(this.quote_volume, this.volume),
        volume_5m=this.volume + sum(each.volume for each in since(4)),
        price_ma_30m=rounded(sum(closes), len(closes)),
        return_1m=rounded((this.close - before[-1].close) * UNIT, before[-1].close) if before else None,
        is_price_spike=is_price_spike,
        is_volume_spike=is_volume_spike,
        price_spike_score=price_score,
        volume_spike_score=volume_score,
        is_complete=bool(earlier)
        and earlier[-1].last_agg_id < this.first_agg_id
        and this.trades + absent(this.symbol, earlier[-1].last_agg_id + 1, this.last_agg_id)
        == this.last_agg_id - earlier[-1].last_agg_id,
        is_final=(this.minute + 1) * MINUTE_US <= watermark_us,
    )
