"""What the exchange sent -> the message of the topic."""

from firehose_dagster.binance.frames import AggTrade, RestTrade
from firehose_dagster.contracts.message import AggTradeMessage


def from_frame(trade: AggTrade, received_at: int) -> AggTradeMessage:
    """A trade that came live; `received_at` in epoch microseconds."""
    return AggTradeMessage(
        symbol=trade.symbol,
        agg_id=trade.agg_id,
        price=trade.price,
        qty=trade.qty,
        first_trade_id=trade.first_trade_id,
        last_trade_id=trade.last_trade_id,
        trade_time=trade.trade_time,
        event_time=trade.event_time,
        received_at=received_at,
        is_buyer_maker=trade.is_buyer_maker,
        source="ws",
    )


def from_rest(symbol: str, trade: RestTrade, received_at: int) -> AggTradeMessage:
    """A row of REST, which names neither its symbol nor an event time."""
    return AggTradeMessage(
        symbol=symbol,
        agg_id=trade.agg_id,
        price=trade.price,
        qty=trade.qty,
        first_trade_id=trade.first_trade_id,
        last_trade_id=trade.last_trade_id,
        trade_time=trade.trade_time,
        event_time=None,
        received_at=received_at,
        is_buyer_maker=trade.is_buyer_maker,
        source="rest",
    )
