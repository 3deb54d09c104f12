"""One aggregate trade as the exchange knows it, and as its WebSocket and REST spell it."""

import msgspec


class Trade(msgspec.Struct, frozen=True, gc=False):
    """An aggregate trade of a symbol that its holder knows. Price and quantity are decimal text."""

    agg_id: int
    price: str
    qty: str
    first_trade_id: int
    last_trade_id: int
    time_us: int
    is_buyer_maker: bool
    is_best_match: bool = True


_BOOLEANS = ("false", "true")
_MICROSECONDS_FROM = 100_000_000_000_000
"""Epoch numbers from here on are microseconds: as milliseconds they would lie beyond the year 5138."""


MICROSECONDS_BY_UNIT = {"MICROSECOND": True, "microsecond": True, "MILLISECOND": False, "millisecond": False}
"""How a client may spell its time unit, and whether it is microseconds."""


def to_us(epoch: int) -> int:
    """Epoch milliseconds or microseconds, told by magnitude, as microseconds."""
    return epoch if epoch >= _MICROSECONDS_FROM else epoch * 1_000


def in_unit(time_us: int, microseconds: bool) -> int:
    """The number sent to a client who asked for microseconds, or did not; milliseconds are cut, not rounded."""
    return time_us if microseconds else time_us // 1_000


def stream_of(symbol: str) -> str:
    """Name of the symbol's aggregate trade stream."""
    return f"{symbol.lower()}@aggTrade"


def symbol_of(stream: str) -> str:
    """The symbol that a stream is about, of whatever kind it is."""
    return stream.split("@", 1)[0].upper()


def frame_text(trade: Trade, symbol: str, event_time_us: int, microseconds: bool) -> str:
    """The `data` of an aggTrade frame, keys in the exchange's order."""
    event_time, time = (
        (event_time_us, trade.time_us) if microseconds else (event_time_us // 1_000, trade.time_us // 1_000)
    )
    return (
        f'{{"e":"aggTrade","E":{event_time},"s":"{symbol}","a":{trade.agg_id},"p":"{trade.price}","q":"{trade.qty}",'
        f'"f":{trade.first_trade_id},"l":{trade.last_trade_id},"T":{time},'
        f'"m":{_BOOLEANS[trade.is_buyer_maker]},"M":{_BOOLEANS[trade.is_best_match]}}}'
    )


def rest_text(trade: Trade, microseconds: bool) -> str:
    """One object of the aggTrades body: the symbol is absent, as from the exchange."""
    return (
        f'{{"a":{trade.agg_id},"p":"{trade.price}","q":"{trade.qty}","f":{trade.first_trade_id},"l":{trade.last_trade_id},'
        f'"T":{in_unit(trade.time_us, microseconds)},'
        f'"m":{_BOOLEANS[trade.is_buyer_maker]},"M":{_BOOLEANS[trade.is_best_match]}}}'
    )
