"""One day's file as DuckDB tables, so that a day of any size is compared and put in order within bounded memory."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import count, islice

import duckdb
import pyarrow as pa

from firehose_dagster.archive.archive_files import ArchiveFile
from firehose_dagster.binance.archive import (
    COLUMNS,
    ArchiveDay,
    ArchiveFileError,
    ArchiveTrade,
    archive_parts,
    archive_trades,
)
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb

MEMORY_LIMIT = "512MB"
"""Beyond it DuckDB spills to a temporary folder."""
_ROWS_AT_ONCE = 50_000
_SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("agg_id", pa.int64()),
        ("price", pa.string()),
        ("qty", pa.string()),
        ("first_trade_id", pa.int64()),
        ("last_trade_id", pa.int64()),
        ("trade_time", pa.int64()),
        ("is_buyer_maker", pa.bool_()),
        ("is_sentinel", pa.bool_()),
    ]
)


def day_bounds(day: ArchiveDay) -> tuple[datetime, datetime]:
    """Start of the UTC day and of the next."""
    start = datetime(day.day.year, day.day.month, day.day.day, tzinfo=UTC)
    return start, start + timedelta(days=1)


@contextmanager
def day_table(day: ArchiveDay, file: ArchiveFile) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the tables of the day's file.

    `archive`: all lines of all its CSVs, columns as in `ArchiveTrade`, with their place `line`. `trades`: the different
    ones that are no sentinels, `line` of the first of equal ones. `sentinels`: the `agg_id` of sentinels that have no
    trade beside them.

    Raises ArchiveFileError for a file that cannot be read whole, holds no line, or is of another symbol or day.
    """
    with bounded_duckdb("archive", memory_limit=MEMORY_LIMIT) as connection:
        connection.register("nothing", _SCHEMA.empty_table())
        connection.execute("CREATE TEMP TABLE archive AS SELECT * FROM nothing")
        _load(connection, day, file)
        connection.execute(
            """
            CREATE TEMP TABLE trades AS
            SELECT min(line) AS line, agg_id, price, qty, first_trade_id, last_trade_id, trade_time, is_buyer_maker
            FROM archive WHERE NOT is_sentinel GROUP BY ALL
            """
        )
        connection.execute(
            "CREATE TEMP TABLE sentinels AS SELECT DISTINCT agg_id FROM archive ANTI JOIN trades USING (agg_id)"
        )
        yield connection


def _load(connection: duckdb.DuckDBPyConnection, day: ArchiveDay, file: ArchiveFile) -> None:
    numbers = count()
    rows = 0
    with file.path.open("rb") as content:
        for part in archive_parts(str(file.path), content):
            if part.symbol != day.symbol or not day.day.isoformat().startswith(part.date):
                raise ArchiveFileError(
                    f"{part.name}: holds trades of {part.symbol} on {part.date}, not of {day.symbol} on {day.day}"
                )
            trades = archive_trades(part)
            while chunk := list(islice(trades, _ROWS_AT_ONCE)):
                connection.register("chunk", _arrow(part.name, list(islice(numbers, len(chunk))), chunk))
                connection.execute("INSERT INTO archive SELECT * FROM chunk")
                connection.unregister("chunk")
                rows += len(chunk)
    if not rows:
        raise ArchiveFileError(f"{file.path}: holds no trade; columns are expected to be {COLUMNS}")


def _arrow(name: str, lines: list[int], chunk: list[ArchiveTrade]) -> pa.Table:
    try:
        return pa.Table.from_pydict(
            {
                "line": lines,
                **{field: [getattr(each, field) for each in chunk] for field in _SCHEMA.names[1:]},
            },
            schema=_SCHEMA,
        )
    except (OverflowError, pa.ArrowInvalid) as error:
        raise ArchiveFileError(f"{name}: a number does not fit 64 bits: {error}") from error
