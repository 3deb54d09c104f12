"""Names of streams, the URLs that carry them, and the messages that subscribe to them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import quote

import msgspec

from firehose_dagster.binance.limits import (
    MAX_STREAMS_PER_CONNECTION,
    STREAMS_IN_URL,
    STREAMS_PER_SUBSCRIBE,
    TIME_UNIT,
)

AGG_TRADE_SUFFIX = "@aggTrade"


def agg_trade_stream(symbol: str) -> str:
    """The stream of a symbol's aggregate trades: `BTCUSDT` -> `btcusdt@aggTrade` (the exchange wants lower case)."""
    return symbol.lower() + AGG_TRADE_SUFFIX


@dataclass(frozen=True, slots=True)
class ConnectionPlan:
    """One connection: the URL to open and the messages to send then, one every CLIENT_MESSAGE_INTERVAL_SECONDS."""

    url: str
    symbols: tuple[str, ...]
    messages: tuple[str, ...]


def plan_connections(
    base_url: str, symbols: Sequence[str], symbols_per_connection: int = MAX_STREAMS_PER_CONNECTION
) -> list[ConnectionPlan]:
    """The connections that carry the aggregate trades of `symbols`, each symbol once, in the order given.

    All use the combined path and ask for microseconds. A short list stands in the URL; a long one is subscribed by
    message. Raises ValueError for more symbols a connection than the exchange allows.
    """
    if not 1 <= symbols_per_connection <= MAX_STREAMS_PER_CONNECTION:
        raise ValueError(
            f"a connection carries 1 to {MAX_STREAMS_PER_CONNECTION:,} streams, not {symbols_per_connection}"
        )
    unique = tuple(dict.fromkeys(symbols))
    return [_plan(base_url.rstrip("/"), chunk) for chunk in _chunks(unique, symbols_per_connection)]


def subscribe_message(streams: Sequence[str], request_id: int) -> str:
    """`{"method":"SUBSCRIBE","params":[...],"id":...}`; the exchange answers `{"result":null,"id":...}`."""
    return msgspec.json.encode({"method": "SUBSCRIBE", "params": list(streams), "id": request_id}).decode()


def _plan(base_url: str, symbols: tuple[str, ...]) -> ConnectionPlan:
    streams = tuple(agg_trade_stream(symbol) for symbol in symbols)
    if len(streams) <= STREAMS_IN_URL:
        names = "/".join(quote(stream, safe="@") for stream in streams)
        return ConnectionPlan(f"{base_url}/stream?streams={names}&timeUnit={TIME_UNIT}", symbols, ())
    messages = tuple(
        subscribe_message(chunk, number)
        for number, chunk in enumerate(_chunks(streams, STREAMS_PER_SUBSCRIBE), start=1)
    )
    return ConnectionPlan(f"{base_url}/stream?timeUnit={TIME_UNIT}", symbols, messages)


def _chunks(items: tuple[str, ...], size: int) -> Iterator[tuple[str, ...]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
