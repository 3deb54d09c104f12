"""The exchange's texts -> trades: a WebSocket frame is a trade, of another kind, or unreadable; a REST page is rows.

A combined frame, as the exchange sends it (one line)::

    {"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1733464456075,"s":"BTCUSDT","a":3305280883,
     "p":"97900.88000000","q":"0.00208000","f":4216590360,"l":4216590360,"T":1733464456074,"m":true,"M":true}}

A raw frame is the inner object alone. Futures send the same keys without `M` and with `nq` and `st`; keys not named
here are ignored. Wire letters become names here, once.
"""

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

MILLISECONDS_BELOW = 10**14
"""Epoch milliseconds stay below this until the year 5138, epoch microseconds are above it since 1973."""


_WIRE_LETTERS = {
    "symbol": "s", "agg_id": "a", "price": "p", "qty": "q", "first_trade_id": "f", "last_trade_id": "l",
    "trade_time": "T", "event_time": "E", "is_buyer_maker": "m",
}  # fmt: skip


class AggTrade(msgspec.Struct, frozen=True, gc=False, tag_field="e", tag="aggTrade", rename=_WIRE_LETTERS):
    """One aggregate trade. Times are epoch microseconds, UTC; price and quantity the exchange's own decimal text."""

    symbol: str
    agg_id: int
    price: str
    qty: str
    first_trade_id: int
    last_trade_id: int
    trade_time: int
    event_time: int
    is_buyer_maker: bool


class RestTrade(msgspec.Struct, frozen=True, gc=False, rename=_WIRE_LETTERS):
    """One row of `GET /api/v3/aggTrades`; the body names no symbol and no event time. Times as in `AggTrade`."""

    agg_id: int
    price: str
    qty: str
    first_trade_id: int
    last_trade_id: int
    trade_time: int
    is_buyer_maker: bool


@dataclass(frozen=True, slots=True)
class OtherFrame:
    """A frame that is well formed and no aggregate trade, such as `{"result":null,"id":1}`.

    `kind` is the event type (`kline`), else what follows the `@` in the stream's name (`bookTicker`, which has no event
    type), else `response` or `error` for an answer to a request.
    """

    kind: str
    text: str
    """Of an error: what the exchange said. Empty otherwise."""


@dataclass(frozen=True, slots=True)
class UnreadableFrame:
    """A frame that is not JSON, is nothing the exchange is known to send, or an aggregate trade with wrong types."""

    raw: bytes
    reason: str


Frame: TypeAlias = AggTrade | OtherFrame | UnreadableFrame


class _Combined(msgspec.Struct, frozen=True, gc=False):
    data: AggTrade


class _Envelope(msgspec.Struct, frozen=True):
    """Any frame, loosely: enough to name its kind."""

    stream: str | None = None
    data: msgspec.Raw = msgspec.Raw()
    event: str | None = msgspec.field(name="e", default=None)
    error: msgspec.Raw = msgspec.Raw()
    code: int | None = None
    request_id: int | str | None = msgspec.field(name="id", default=None)


_DECODE_ERRORS = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""RecursionError: of text nested a thousand levels deep."""

_decode_combined = msgspec.json.Decoder(_Combined).decode
_decode_raw = msgspec.json.Decoder(AggTrade).decode
_decode_envelope = msgspec.json.Decoder(_Envelope).decode
_decode_rest = msgspec.json.Decoder(list[RestTrade]).decode


def decode_frame(raw: bytes) -> Frame:
    """Say what the frame is. Never raises on its content."""
    try:
        trade = _decode_combined(raw).data
    except _DECODE_ERRORS:
        return _decode_uncommon(raw)
    if trade.trade_time < MILLISECONDS_BELOW or trade.event_time < MILLISECONDS_BELOW:
        return _with_microseconds(trade)
    return trade


def decode_rest_trades(body: bytes) -> list[RestTrade]:
    """The rows of one page, ascending by id. Raises msgspec.DecodeError for anything else."""
    rows = _decode_rest(body)
    return sorted((_row_with_microseconds(row) for row in rows), key=lambda row: row.agg_id)


def to_microseconds(epoch: int) -> int:
    """Epoch milliseconds or microseconds, told apart by magnitude -> epoch microseconds."""
    return epoch * 1_000 if 0 < epoch < MILLISECONDS_BELOW else epoch


def _with_microseconds(trade: AggTrade) -> AggTrade:
    return msgspec.structs.replace(
        trade, trade_time=to_microseconds(trade.trade_time), event_time=to_microseconds(trade.event_time)
    )


def _row_with_microseconds(row: RestTrade) -> RestTrade:
    trade_time = to_microseconds(row.trade_time)
    return row if trade_time == row.trade_time else msgspec.structs.replace(row, trade_time=trade_time)


def _decode_uncommon(raw: bytes) -> Frame:
    try:
        envelope = _decode_envelope(raw)
        body = envelope
        if envelope.data:
            body = _decode_envelope(envelope.data)
        elif envelope.stream is None and envelope.event == "aggTrade":
            return _with_microseconds(_decode_raw(raw))
        kind = body.event or _kind_of_stream(envelope.stream)
        if kind == "aggTrade":
            _decode_combined(raw)  # raises, and says which field is wrong
    except _DECODE_ERRORS as error:
        return UnreadableFrame(raw, str(error))
    if kind is not None:
        return OtherFrame(kind, "")
    if envelope.error or envelope.code is not None:
        return OtherFrame("error", raw.decode())
    if envelope.request_id is not None:
        return OtherFrame("response", "")
    return UnreadableFrame(raw, "neither an event nor an answer to a request")


def _kind_of_stream(stream: str | None) -> str | None:
    if stream is None:
        return None
    name, at, suffix = stream.partition("@")
    return suffix if at else name.lstrip("!")
