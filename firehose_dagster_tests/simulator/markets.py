"""Small markets written as files, for tests that need to know every trade."""

from pathlib import Path

from firehose_dagster.simulator.source import Event
from firehose_dagster.simulator.trade import Trade

BASE_MS = 1_700_000_000_000


def archive_line(agg_id: int, time: int, price: str = "100.50000000") -> str:
    return f"{agg_id},{price},0.10000000,{agg_id * 2},{agg_id * 2 + 1},{time},True,True"


def write_archive(folder: Path, count: int, *, gap_ms: int = 10, symbol: str = "BTCUSDT", first_id: int = 100) -> Path:
    """Ids from `first_id`, `gap_ms` apart from BASE_MS on, in microseconds."""
    path = folder / f"{symbol}-aggTrades-2023-11-14.csv"
    lines = [archive_line(first_id + place, (BASE_MS + place * gap_ms) * 1_000) for place in range(count)]
    path.write_text("\n".join(lines) + "\n")
    return path


def trade_of(event: Event) -> Trade:
    """The event's trade, which it must have."""
    assert event.trade is not None
    return event.trade
