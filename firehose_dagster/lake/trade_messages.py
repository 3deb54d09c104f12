"""A row with the columns of a trade -> the message that publishes the trade again."""

from firehose_dagster.contracts.message import AggTradeMessage, Source

TradeRow = tuple[str, int, str, str, int, int, int, int | None, bool]
COLUMNS = (
    "symbol, agg_id, price::VARCHAR, qty::VARCHAR, first_trade_id, last_trade_id, trade_time, event_time, "
    "is_buyer_maker"
)
"""What to select for a `TradeRow`. Times are epoch microseconds; `event_time` may be NULL."""


def trade_message(row: TradeRow, received_at_us: int, source: Source) -> AggTradeMessage:
    """The row's trade as it was received at that moment (epoch microseconds) by that way."""
    symbol, agg_id, price, qty, first_trade_id, last_trade_id, trade_time, event_time, is_buyer_maker = row
    return AggTradeMessage(
        symbol=symbol,
        agg_id=agg_id,
        price=price,
        qty=qty,
        first_trade_id=first_trade_id,
        last_trade_id=last_trade_id,
        trade_time=trade_time,
        event_time=event_time,
        received_at=received_at_us,
        is_buyer_maker=is_buyer_maker,
        source=source,
    )
