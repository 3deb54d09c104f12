"""The recorded files read by the standard library alone: what silver must hold, value for value."""

import csv
import gzip
import json
import re
from collections.abc import Iterable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

EIGHT_PLACES = Decimal("1.00000000")
_RECEIVED = re.compile(r"^\d+(?:\.\d+)?: ")


class Trade(NamedTuple):
    """What the exchange said of a trade; `time_us` in epoch microseconds."""

    symbol: str
    agg_id: int
    price: Decimal
    qty: Decimal
    first_trade_id: int
    last_trade_id: int
    time_us: int
    is_buyer_maker: bool


def of_captures(paths: Iterable[Path]) -> set[Trade]:
    """The aggTrade frames of WebSocket captures: `<received>: {"stream": ..., "data": ...}` a line."""
    return {trade for path in paths for trade in _of_capture(path)}


def _of_capture(path: Path) -> Iterator[Trade]:
    for line in path.read_text(encoding="utf-8").splitlines():
        if not _RECEIVED.match(line):
            continue
        frame = json.loads(_RECEIVED.sub("", line, count=1))
        data = frame.get("data", frame) if isinstance(frame, dict) else {}
        if data.get("e") == "aggTrade":
            yield _of_wire(data["s"], data)


def of_rest_capture(path: Path, symbol: str) -> list[Trade]:
    """The `/api/v3/aggTrades` objects under `info`."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [_of_wire(symbol, each["info"]) for each in json.load(file)]


def of_archive(path: Path, symbol: str) -> list[Trade]:
    """A daily archive file in microseconds, without header."""
    with path.open(encoding="utf-8", newline="") as file:
        return [
            Trade(symbol, int(a), _exact(p), _exact(q), int(f), int(last), int(time_us), maker == "True")
            for a, p, q, f, last, time_us, maker, _ in csv.reader(file)
        ]


def archive_lines(trades: Iterable[Trade]) -> str:
    """Trades as a daily archive in milliseconds."""
    return "".join(
        f"{each.agg_id},{each.price},{each.qty},{each.first_trade_id},{each.last_trade_id},{each.time_us // 1_000},"
        f"{each.is_buyer_maker},True\n"
        for each in trades
    )


def message(trade: Trade) -> dict[str, Any]:
    """As the gateway would put it into the topic."""
    return {
        "symbol": trade.symbol,
        "agg_id": trade.agg_id,
        "price": str(trade.price),
        "qty": str(trade.qty),
        "first_trade_id": trade.first_trade_id,
        "last_trade_id": trade.last_trade_id,
        "trade_time": trade.time_us,
        "event_time": None,
        "received_at": trade.time_us + 1_000,
        "is_buyer_maker": trade.is_buyer_maker,
        "source": "rest",
    }


SILVER_QUERY = """
    SELECT symbol, agg_id, price, qty, first_trade_id, last_trade_id, epoch_us(event_ts) AS time_us, is_buyer_maker
    FROM crypto_silver_trades
"""


def of_silver(rows: Iterable[dict[str, Any]]) -> list[Trade]:
    """The rows of `SILVER_QUERY`."""
    return [Trade(**row) for row in rows]


def _of_wire(symbol: str, data: dict[str, Any]) -> Trade:
    time_us = data["T"] * 1_000
    return Trade(symbol, data["a"], _exact(data["p"]), _exact(data["q"]), data["f"], data["l"], time_us, data["m"])


def _exact(text: str) -> Decimal:
    value = Decimal(text)
    assert value == value.quantize(EIGHT_PLACES)
    return value.quantize(EIGHT_PLACES)
