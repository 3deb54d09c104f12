"""Reads daily and monthly aggTrades files of data.binance.vision."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from firehose_dagster.binance.archive import (
    COLUMNS,
    ArchiveFileError,
    ArchivePart,
    ArchiveTrade,
    archive_parts,
    archive_trades,
)
from firehose_dagster.simulator.source import Event, SourceFileError
from firehose_dagster.simulator.trade import Trade, stream_of


def read_archives(paths: Sequence[Path]) -> tuple[dict[str, list[Event]], list[str]]:
    """Events by stream, due at their trade time, and the symbols.

    A file is a CSV or a zip of CSVs, with or without a header, times in milliseconds or microseconds; the symbol comes
    from its name (`BTCUSDT-aggTrades-2026-01-01.csv`; within a zip from the CSV's name, else from the zip's).

    Raises:
        SourceFileError: a file cannot be read, does not name its symbol, holds no trade, or has a line that is none.
    """
    events_by_stream: dict[str, list[Event]] = defaultdict(list)
    symbols: dict[str, None] = {}
    for path in paths:
        try:
            with path.open("rb") as content:
                for part in archive_parts(str(path), content):
                    events_by_stream[stream_of(part.symbol)] += _events(part)
                    symbols.setdefault(part.symbol)
        except OSError as error:
            raise SourceFileError(f"{path}: cannot be read: {error}") from error
        except ArchiveFileError as error:
            raise SourceFileError(str(error)) from error
    for events in events_by_stream.values():
        events.sort(key=lambda event: event.due_us)
    return dict(events_by_stream), list(symbols)


def _events(part: ArchivePart) -> list[Event]:
    events = [Event(each.trade_time, _trade(each), each.trade_time) for each in archive_trades(part)]
    if not events:
        raise SourceFileError(f"{part.name}: holds no trade; columns are expected to be {COLUMNS}")
    return events


def _trade(each: ArchiveTrade) -> Trade:
    return Trade(
        agg_id=each.agg_id,
        price=each.price,
        qty=each.qty,
        first_trade_id=each.first_trade_id,
        last_trade_id=each.last_trade_id,
        time_us=each.trade_time,
        is_buyer_maker=each.is_buyer_maker,
        is_best_match=each.is_best_match,
    )
