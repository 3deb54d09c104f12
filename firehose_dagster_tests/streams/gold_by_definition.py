"""docs/gold.md, written again over fractions, from the trades alone."""

from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from decimal import Decimal
from fractions import Fraction

from firehose_dagster.streams.gold_minutes import GoldRow, MinuteKey
from firehose_dagster_tests.streams.gold_trades import LATE_AFTER_MINUTES, MIN_HISTORY, Trade, base_of, by_minute


def expected_gold(trades: Sequence[Trade], holes: AbstractSet[tuple[str, int]]) -> dict[MinuteKey, tuple[object, ...]]:
    """The content of each minute with trades; see `content`."""
    watermark_minute = max(trade.minute for trade in trades) - LATE_AFTER_MINUTES
    expected: dict[MinuteKey, tuple[object, ...]] = {}
    for symbol in {trade.symbol for trade in trades}:
        minutes = {key.minute: base_of(rows) for key, rows in by_minute(trades).items() if key.symbol == symbol}
        for m, base in minutes.items():
            earlier = sorted(each for each in minutes if each < m)
            window = [minutes[each] for each in earlier if each >= m - 30]
            volume_5m = base.volume + sum(minutes[each].volume for each in earlier if each >= m - 4)
            closes = [minutes[each].close for each in earlier if each >= m - 29] + [base.close]
            change = (
                _rounded(Fraction(base.close) / Fraction(minutes[earlier[-1]].close) - 1)
                if earlier and earlier[-1] >= m - 30
                else None
            )
            count = len(window)
            price_score = volume_score = None
            is_price_spike = is_volume_spike = False
            if count >= MIN_HISTORY:
                volumes = Fraction(sum(each.volume for each in window))
                ranges = Fraction(sum(each.high - each.low for each in window))
                start = Fraction(window[-1].close)
                distance = max(Fraction(base.high) - start, start - Fraction(base.low))
                volume_score = _rounded(Fraction(base.volume) * count / volumes)
                is_volume_spike = Fraction(base.volume) * count >= 5 * volumes
                price_score = _rounded(distance * count / ranges) if ranges else None
                is_price_spike = (
                    distance > 0 and distance >= Fraction(3, 1000) * start and distance * count >= 4 * ranges
                )
            is_complete = False
            if earlier and minutes[earlier[-1]].last_agg_id < base.first_agg_id:
                held = {trade.agg_id for trade in trades if trade.symbol == symbol}
                wanted = range(minutes[earlier[-1]].last_agg_id + 1, base.last_agg_id + 1)
                is_complete = all(agg_id in held or (symbol, agg_id) in holes for agg_id in wanted)
            expected[MinuteKey(symbol, m)] = (
                base,
                _rounded(Fraction(base.quote_volume) / Fraction(base.volume)),
                volume_5m,
                _rounded(Fraction(sum(closes)) / len(closes)),
                change,
                is_price_spike,
                is_volume_spike,
                price_score,
                volume_score,
                is_complete,
                m + 1 <= watermark_minute,
            )
    return expected


def content(row: GoldRow) -> tuple[object, ...]:
    f = row.features
    return (
        row.base,
        f.vwap,
        f.volume_5m,
        f.price_ma_30m,
        f.return_1m,
        f.is_price_spike,
        f.is_volume_spike,
        f.price_spike_score,
        f.volume_spike_score,
        f.is_complete,
        row.is_final,
    )


def _rounded(value: Fraction) -> Decimal:
    scaled, rest = divmod(abs(value) * 10**8, 1)
    whole = int(scaled) + (1 if rest * 2 >= 1 else 0)
    return Decimal(whole if value >= 0 else -whole) / 10**8
