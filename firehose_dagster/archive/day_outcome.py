"""What a day's file holds, and what became of it."""

from dataclasses import dataclass

import duckdb

from firehose_dagster.archive.archive_files import ArchiveFile
from firehose_dagster.archive.day_table import day_bounds
from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.contracts.instants import to_microseconds


@dataclass(frozen=True, slots=True)
class DayOutcome:
    """What a day's file holds, and what was published of it."""

    day: ArchiveDay
    sha256: str
    is_verified: bool
    """The checksum beside the file was compared."""
    rows: int
    """Lines that are trades or sentinels."""
    ids: int
    """Distinct ids with a trade."""
    first_agg_id: int | None
    last_agg_id: int | None
    absent_ids: int
    """Ids between first and last that the file does not have, sentinels aside."""
    sentinels: int
    """Ids that the exchange marks as no trade."""
    repeated_rows: int
    """Lines beyond the first that say the same; not published."""
    differing_ids: tuple[int, ...]
    """Ids told with different content: all versions are published, silver keeps the one that came first."""
    other_day_rows: int
    """Trades with a time outside the day; published like all others."""
    held_ids: int
    """Ids that silver held already; not published again."""
    published: int
    is_whole: bool
    """False where it was stopped on the way."""


def day_outcome(
    connection: duckdb.DuckDBPyConnection, day: ArchiveDay, file: ArchiveFile, published: int, is_whole: bool
) -> DayOutcome:
    """Count, over the tables of `day_table` and the table `held`: the ids that silver held before."""
    start, end = (to_microseconds(bound) for bound in day_bounds(day))
    ((rows, trade_rows),) = connection.execute(
        "SELECT count(*), count(*) FILTER (NOT is_sentinel) FROM archive"
    ).fetchall()
    ((distinct_rows, ids, first, last, other_day),) = connection.execute(
        "SELECT count(*), count(DISTINCT agg_id), min(agg_id), max(agg_id), "
        "count(*) FILTER (trade_time < $1 OR trade_time >= $2) FROM trades",
        [start, end],
    ).fetchall()
    ((sentinels, sentinels_between),) = connection.execute(
        "SELECT count(*), count(*) FILTER (agg_id BETWEEN $1 AND $2) FROM sentinels", [first, last]
    ).fetchall()
    ((held_ids,),) = connection.execute(
        "SELECT count(DISTINCT agg_id) FROM trades SEMI JOIN held USING (agg_id)"
    ).fetchall()
    return DayOutcome(
        day=day,
        sha256=file.sha256,
        is_verified=file.is_verified,
        rows=rows,
        ids=ids,
        first_agg_id=first,
        last_agg_id=last,
        absent_ids=0 if first is None else last - first + 1 - ids - sentinels_between,
        sentinels=sentinels,
        repeated_rows=trade_rows - distinct_rows,
        differing_ids=_differing(connection),
        other_day_rows=other_day,
        held_ids=held_ids,
        published=published,
        is_whole=is_whole,
    )


def _differing(connection: duckdb.DuckDBPyConnection) -> tuple[int, ...]:
    """Ids of which the file tells more than one trade. `1.0` and `1.00000000` are the same price."""
    found = connection.execute(
        """
        SELECT agg_id FROM trades GROUP BY agg_id HAVING count(DISTINCT (
            coalesce(TRY_CAST(price AS DECIMAL(30, 10))::VARCHAR, price),
            coalesce(TRY_CAST(qty AS DECIMAL(30, 10))::VARCHAR, qty),
            first_trade_id, last_trade_id, trade_time // 1000, is_buyer_maker
        )) > 1 ORDER BY agg_id
        """
    ).fetchall()
    return tuple(agg_id for (agg_id,) in found)
