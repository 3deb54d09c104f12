"""The features of a gold minute, exactly as docs/gold.md defines them. Pure: minutes in, features out."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Context, Decimal

WINDOW_MINUTES = 30
"""How far back a feature looks; so a changed minute alters others at most this far ahead."""
_VOLUME_WINDOW_MINUTES = 5
# A quotient of two table values differs from a rounding boundary by far more than 1e-60, so rounding twice is exact.
_EXACT = Context(prec=80, rounding=ROUND_HALF_UP)
_EIGHT_PLACES = Decimal("1e-8")
_ONE = Decimal(1)


@dataclass(frozen=True, slots=True)
class MinuteBase:
    """What one minute's trades alone determine. `minute` counts from the epoch."""

    minute: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    quote_volume: Decimal
    trades: int
    first_agg_id: int
    last_agg_id: int

    def followed_by(self, later: "MinuteBase") -> "MinuteBase":
        """This minute with more trades of it, all of higher ids."""
        return MinuteBase(
            minute=self.minute,
            open=self.open,
            high=max(self.high, later.high),
            low=min(self.low, later.low),
            close=later.close,
            volume=_EXACT.add(self.volume, later.volume),
            quote_volume=_EXACT.add(self.quote_volume, later.quote_volume),
            trades=self.trades + later.trades,
            first_agg_id=self.first_agg_id,
            last_agg_id=later.last_agg_id,
        )


@dataclass(frozen=True, slots=True)
class SpikeThresholds:
    """When a minute is called a spike; formulas in docs/gold.md."""

    history_minutes: int
    min_history: int
    volume_ratio: Decimal
    price_ratio: Decimal
    price_min_move: Decimal


@dataclass(frozen=True, slots=True)
class MinuteFeatures:
    """The columns of a gold row that are computed from the minute and those before it."""

    vwap: Decimal
    volume_5m: Decimal
    price_ma_30m: Decimal
    return_1m: Decimal | None
    is_price_spike: bool
    is_volume_spike: bool
    price_spike_score: Decimal | None
    volume_spike_score: Decimal | None
    is_complete: bool


CountAbsent = Callable[[int, int], int]
"""How many ids of the minute's symbol, from the first to the last given, the exchange does not have."""


def features(
    base: MinuteBase,
    window: Sequence[MinuteBase],
    previous_last_agg_id: int | None,
    thresholds: SpikeThresholds,
    count_absent: CountAbsent = lambda first, last: 0,
) -> MinuteFeatures:
    """The features of `base`.

    `window` holds the symbol's minutes with trades among the 30 before it, oldest first; `previous_last_agg_id` the
    last id of its latest earlier minute with trades, however long ago, or None for the first.
    """
    volume_5m = base.volume
    closes = base.close
    close_count = 1
    for earlier in window:
        distance = base.minute - earlier.minute
        if distance < _VOLUME_WINDOW_MINUTES:
            volume_5m = _EXACT.add(volume_5m, earlier.volume)
        if distance < WINDOW_MINUTES:
            closes = _EXACT.add(closes, earlier.close)
            close_count += 1
    last_close = window[-1].close if window else None
    reference = [earlier for earlier in window if base.minute - earlier.minute <= thresholds.history_minutes]
    if len(reference) < thresholds.min_history:
        price_score, is_price_spike, volume_score, is_volume_spike = None, False, None, False
    else:
        price_score, is_price_spike = _price_spike(base, reference, thresholds)
        volume_score, is_volume_spike = _volume_spike(base, reference, thresholds)
    return MinuteFeatures(
        vwap=_ratio(base.quote_volume, base.volume),
        volume_5m=volume_5m,
        price_ma_30m=_ratio(closes, Decimal(close_count)),
        return_1m=None if last_close is None else _ratio(_EXACT.subtract(base.close, last_close), last_close),
        is_price_spike=is_price_spike,
        is_volume_spike=is_volume_spike,
        price_spike_score=price_score,
        volume_spike_score=volume_score,
        is_complete=_is_complete(base, previous_last_agg_id, count_absent),
    )


def _is_complete(base: MinuteBase, previous_last_agg_id: int | None, count_absent: CountAbsent) -> bool:
    if previous_last_agg_id is None or previous_last_agg_id >= base.first_agg_id:
        return False
    missing = base.last_agg_id - previous_last_agg_id - base.trades
    # Nearly always nothing is missing, and nobody is asked.
    return missing == 0 or missing == count_absent(previous_last_agg_id + 1, base.last_agg_id)


def _volume_spike(
    base: MinuteBase, reference: Sequence[MinuteBase], thresholds: SpikeThresholds
) -> tuple[Decimal, bool]:
    total = _sum(minute.volume for minute in reference)
    scaled = _EXACT.multiply(base.volume, Decimal(len(reference)))
    return _ratio(scaled, total), scaled >= _EXACT.multiply(thresholds.volume_ratio, total)


def _price_spike(
    base: MinuteBase, reference: Sequence[MinuteBase], thresholds: SpikeThresholds
) -> tuple[Decimal | None, bool]:
    price = reference[-1].close
    distance = max(_EXACT.subtract(base.high, price), _EXACT.subtract(price, base.low))
    ranges = _sum(_EXACT.subtract(minute.high, minute.low) for minute in reference)
    scaled = _EXACT.multiply(distance, Decimal(len(reference)))
    moved_enough = distance > 0 and distance >= _EXACT.multiply(thresholds.price_min_move, price)
    is_spike = moved_enough and scaled >= _EXACT.multiply(thresholds.price_ratio, ranges)
    return (_ratio(scaled, ranges) if ranges else None), is_spike


def _sum(values: Iterable[Decimal]) -> Decimal:
    # The built-in sum would round to the thread's context, 28 digits.
    total = Decimal(0)
    for value in values:
        total = _EXACT.add(total, value)
    return total


def _ratio(numerator: Decimal, denominator: Decimal) -> Decimal:
    return _EXACT.quantize(_EXACT.divide(numerator, denominator), _EIGHT_PLACES)
