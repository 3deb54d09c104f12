"""One day, live against archive: by id, and by content where both hold it."""

from dataclasses import dataclass

import duckdb
from pyiceberg.catalog import Catalog

from firehose_dagster.archive.archive_files import ArchiveSource
from firehose_dagster.archive.day_table import day_table
from firehose_dagster.archive.held_day import view_held_day
from firehose_dagster.binance.archive import ArchiveDay

EXAMPLES_SHOWN = 5


@dataclass(frozen=True, slots=True)
class DayReconciliation:
    """What silver and the archive say of one symbol on one UTC day. Ids are counted once, sentinels are no trades."""

    day: ArchiveDay
    sha256: str
    silver_snapshot_id: int | None
    archive_ids: int
    silver_ids: int
    """With a trade time in the day."""
    equal_ids: int
    """Held by both with the same content: price, quantity, single trades, maker side, time to the millisecond."""
    missing_in_silver: int
    quarantined: int
    """Of those missing in silver: rejected, so quarantine says why."""
    missing_in_archive: int
    differing: int
    examples: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Both hold the same trades."""
        return not (self.missing_in_silver or self.missing_in_archive or self.differing)


def reconcile_day(catalog: Catalog, source: ArchiveSource, day: ArchiveDay) -> DayReconciliation:
    """Compare. An id that the archive tells with different content is equal where silver holds any of its versions.

    Raises what the source and the file raise.
    """
    with source.file_of(day) as file, day_table(day, file) as connection:
        snapshot_id = view_held_day(connection, catalog, day)
        _compare(connection, day)
        counts = dict(connection.execute("SELECT verdict, count(*) FROM compared GROUP BY 1").fetchall())
        return DayReconciliation(
            day=day,
            sha256=file.sha256,
            silver_snapshot_id=snapshot_id,
            archive_ids=_count(connection, "in_archive"),
            silver_ids=_count(connection, "is_of_day"),
            equal_ids=counts.get("equal", 0),
            missing_in_silver=counts.get("missing in silver", 0),
            quarantined=_count(
                connection, "verdict = 'missing in silver' AND agg_id IN (SELECT agg_id FROM quarantine)"
            ),
            missing_in_archive=counts.get("missing in archive", 0),
            differing=counts.get("differing", 0),
            examples=_examples(connection),
        )


def _compare(connection: duckdb.DuckDBPyConnection, day: ArchiveDay) -> None:
    """The table `compared`, a row an id."""
    connection.execute("SET VARIABLE day = ?", [day.day])
    connection.execute(
        """
        CREATE TEMP TABLE compared AS
        WITH both_sides AS (
            SELECT agg_id, a.line IS NOT NULL AS in_archive, s.symbol IS NOT NULL AS in_silver,
                coalesce(s.event_ts::DATE = getvariable('day'), false) AS is_of_day,
                TRY_CAST(a.price AS DECIMAL(18, 8)) = s.price AND TRY_CAST(a.qty AS DECIMAL(19, 8)) = s.qty
                    AND a.first_trade_id = s.first_trade_id AND a.last_trade_id = s.last_trade_id
                    AND a.is_buyer_maker = s.is_buyer_maker
                    AND a.trade_time // 1000 = epoch_us(s.event_ts) // 1000 AS is_same,
                a.price || ' x ' || a.qty || ' at ' || a.trade_time AS archive_text,
                s.price || ' x ' || s.qty || ' at ' || epoch_us(s.event_ts) AS silver_text
            FROM trades a FULL JOIN silver s USING (agg_id)
        )
        SELECT agg_id, bool_or(in_archive) AS in_archive, bool_or(is_of_day) AS is_of_day,
            CASE
                WHEN NOT bool_or(in_silver) THEN 'missing in silver'
                WHEN NOT bool_or(in_archive) THEN 'missing in archive'
                WHEN bool_or(coalesce(is_same, false)) THEN 'equal'
                ELSE 'differing'
            END AS verdict,
            any_value(archive_text) AS archive_text, any_value(silver_text) AS silver_text
        FROM both_sides GROUP BY agg_id
        -- What silver holds of the hours around the day is only for the archive's rows to meet.
        HAVING bool_or(in_archive) OR bool_or(is_of_day)
        """
    )


def _count(connection: duckdb.DuckDBPyConnection, condition: str) -> int:
    ((number,),) = connection.execute(
        f"SELECT count(*) FROM compared WHERE {condition}"  # noqa: S608 constants
    ).fetchall()
    return int(number)


def _examples(connection: duckdb.DuckDBPyConnection) -> tuple[str, ...]:
    found = connection.execute(
        """
        SELECT agg_id, verdict, archive_text, silver_text FROM compared WHERE verdict <> 'equal'
        QUALIFY row_number() OVER (PARTITION BY verdict ORDER BY agg_id) <= ? ORDER BY verdict, agg_id
        """,
        [EXAMPLES_SHOWN],
    ).fetchall()
    return tuple(
        f"agg_id {agg_id}: {verdict}"
        + (f": archive {archive_text}, silver {silver_text}" if verdict == "differing" else "")
        for agg_id, verdict, archive_text, silver_text in found
    )
