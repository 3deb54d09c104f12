"""The Kafka message, contract `aggtrade.v1`: what the gateway produces and the stream parses."""

from typing import Literal, get_args

import msgspec

CONTRACT = "aggtrade.v1"

Source = Literal["ws", "rest", "archive", "replay"]
SOURCES: tuple[str, ...] = get_args(Source)


class AggTradeMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One aggregate trade, as JSON in a record keyed by symbol. Times are epoch microseconds, UTC.

    Example (one line on the wire)::

        {"symbol":"BTCUSDT","agg_id":3800397495,"price":"87648.21000000","qty":"0.08185000",
         "first_trade_id":5723703861,"last_trade_id":5723703861,"trade_time":1767225600039409,
         "event_time":1767225600040000,"received_at":1767225600091234,"is_buyer_maker":true,"source":"ws"}
    """

    symbol: str
    agg_id: int
    price: str
    """Decimal text, exactly as the exchange sent it."""
    qty: str
    """Decimal text, exactly as the exchange sent it."""
    first_trade_id: int
    last_trade_id: int
    trade_time: int
    event_time: int | None
    """When the exchange sent the frame; null for rows that came by REST or archive."""
    received_at: int
    is_buyer_maker: bool
    source: Source


MESSAGE_FIELDS: tuple[str, ...] = AggTradeMessage.__struct_fields__
