"""Trades of a made-up market, and what a minute of them adds up to."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from firehose_dagster.streams.gold_minutes import MinuteKey
from firehose_dagster.transforms.gold import MinuteBase, SpikeThresholds

LATE_AFTER_MINUTES = 10
MIN_HISTORY = 2
THRESHOLDS = SpikeThresholds(
    history_minutes=30,
    min_history=MIN_HISTORY,
    volume_ratio=Decimal(5),
    price_ratio=Decimal(4),
    price_min_move=Decimal("0.003"),
)


@dataclass(frozen=True)
class Trade:
    """`price` and `qty` are small whole numbers."""

    symbol: str
    agg_id: int
    minute: int
    price: int
    qty: int


@dataclass(frozen=True)
class Hole:
    """Ids that the exchange says it does not have; it may be wrong."""

    symbol: str
    first: int
    last: int


def base_of(trades: Sequence[Trade]) -> MinuteBase:
    ordered = sorted(trades, key=lambda trade: trade.agg_id)
    prices = [Decimal(trade.price) for trade in ordered]
    return MinuteBase(
        minute=ordered[0].minute,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=Decimal(sum(trade.qty for trade in ordered)),
        quote_volume=Decimal(sum(trade.qty * trade.price for trade in ordered)),
        trades=len(ordered),
        first_agg_id=ordered[0].agg_id,
        last_agg_id=ordered[-1].agg_id,
    )


def by_minute(trades: Iterable[Trade]) -> dict[MinuteKey, list[Trade]]:
    grouped: dict[MinuteKey, list[Trade]] = {}
    for trade in trades:
        grouped.setdefault(MinuteKey(trade.symbol, trade.minute), []).append(trade)
    return grouped
