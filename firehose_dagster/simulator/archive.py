"""Reads daily and monthly aggTrades files of data.binance.vision."""

import csv
import io
import re
import zipfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path

from firehose_dagster.simulator.source import Event, SourceFileError
from firehose_dagster.simulator.trade import Trade, stream_of, to_us

_NAME = re.compile(r"(?P<symbol>\w+)-aggTrades-\d{4}-\d{2}(-\d{2})?", re.UNICODE)
_BOOLEANS = {"true": True, "false": False}
_COLUMNS = "agg id, price, quantity, first id, last id, timestamp, is buyer maker[, is best match]"


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
            for name, symbol, lines in _parts(path):
                stream = events_by_stream[stream_of(symbol)]
                before = len(stream)
                stream.extend(_events(name, lines))
                if len(stream) == before:
                    raise SourceFileError(f"{name}: holds no trade; columns are expected to be {_COLUMNS}")
                symbols.setdefault(symbol)
        except (OSError, EOFError, zipfile.BadZipFile, UnicodeDecodeError) as error:
            raise SourceFileError(f"{path}: cannot be read: {error}") from error
    for events in events_by_stream.values():
        events.sort(key=lambda event: event.due_us)
    return dict(events_by_stream), list(symbols)


def _parts(path: Path) -> Iterator[tuple[str, str, Iterator[str]]]:
    """Name for messages, symbol and lines of each CSV in the file."""
    if not zipfile.is_zipfile(path):
        with path.open(encoding="utf-8", newline="") as lines:
            yield str(path), _symbol(path, path.name), lines
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.lower().endswith(".csv")]
        if not names:
            raise SourceFileError(f"{path}: the zip holds no CSV")
        for name in names:
            own_name = Path(name).name
            with archive.open(name) as content:
                lines = io.TextIOWrapper(content, encoding="utf-8", newline="")
                yield f"{path}:{name}", _symbol(path, own_name if _NAME.match(own_name) else path.name), lines


def _symbol(path: Path, name: str) -> str:
    match = _NAME.match(name)
    if match is None:
        raise SourceFileError(
            f"{path}: the name tells no symbol; it is expected to be like BTCUSDT-aggTrades-2026-01-01.csv"
        )
    return match["symbol"].upper()


def _events(name: str, lines: Iterator[str]) -> Iterator[Event]:
    rows = csv.reader(lines)
    for row in rows:
        if not row or (rows.line_num == 1 and not row[0].strip().isdigit()):
            continue  # an empty line, or the header
        try:
            trade = _trade(row)
        except (ValueError, InvalidOperation) as error:
            detail = "a number was expected" if isinstance(error, InvalidOperation) else str(error)
            raise SourceFileError(
                f"{name}, line {rows.line_num}: {detail}; columns are expected to be {_COLUMNS}"
            ) from error
        yield Event(trade.time_us, trade, trade.time_us)


def _trade(row: list[str]) -> Trade:
    if len(row) not in (7, 8):
        raise ValueError(f"{len(row)} columns")
    agg_id, price, qty, first_trade_id, last_trade_id, time, is_buyer_maker, *best_match = (
        cell.strip() for cell in row
    )
    if not (Decimal(price).is_finite() and Decimal(qty).is_finite()):
        raise ValueError("price and quantity must be numbers")
    flags = [is_buyer_maker.lower(), *(cell.lower() for cell in best_match)]
    if not all(flag in _BOOLEANS for flag in flags):
        raise ValueError("true or false was expected")
    return Trade(
        agg_id=int(agg_id),
        price=price,
        qty=qty,
        first_trade_id=int(first_trade_id),
        last_trade_id=int(last_trade_id),
        time_us=to_us(int(time)),
        is_buyer_maker=_BOOLEANS[flags[0]],
        is_best_match=_BOOLEANS[flags[-1]] if best_match else True,
    )
