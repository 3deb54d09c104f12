"""A look at which trades silver holds: the hours that changed since the last look, and what follows from them."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.position import WATERMARK
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.lake.duckdb_view import make_view
from firehose_dagster.lake.exchange_holes import AbsentIds, read_holes
from firehose_dagster.lake.row_filters import all_of, at_least, below
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.maintenance.completeness.changes import changed_hours, rows_may_have_left
from firehose_dagster.maintenance.completeness.holes import HolesTold, holes_told
from firehose_dagster.maintenance.completeness.hour import HeldHour, HourRow
from firehose_dagster.maintenance.completeness.store import HOUR_US, CompletenessStore, LastLook, append_rows
from firehose_dagster.maintenance.completeness.survey import HourBook, Survey
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

LOCK_FILE = "completeness.lock"
WINDOW_HOURS = 24
"""Rows so much older than what is looked at are loaded at once; older ones where they are asked for."""
_MINUTE_US = 60_000_000


class AnotherLookError(ExplainedError):
    """Two looks at the same time; the later one wrote nothing."""


@dataclass(frozen=True, slots=True)
class Look:
    """What a look did."""

    silver_snapshot_id: int | None
    """None: silver holds nothing yet."""
    hours_read: int
    """Hours of silver whose ids were read."""
    rows: Sequence[HourRow]
    """What is new, as written."""


def look(catalog: Catalog, settings: Settings) -> Look:
    """Bring `ops_completeness` up to silver as it is now.

    The cost goes with the hours that changed since the last look: of silver their files are read, of the metadata only
    manifests written since. Everything is read at the first look, and where rows may have left: a commit since the last
    look took some away, the table was rolled back, or the last look's snapshot has expired.

    Raises AnotherLookError where another look is at work.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(settings.state_dir / LOCK_FILE, timeout=0):
            return _look(catalog, settings)
    except Timeout:
        raise AnotherLookError("another look at completeness is at work on this home; wait for it") from None


def _look(catalog: Catalog, settings: Settings) -> Look:
    silver = catalog.load_table(SILVER.identifier)
    current = silver.current_snapshot()
    if current is None:
        return Look(None, 0, ())
    holes_table = catalog.load_table(OPS_EXCHANGE_HOLES.identifier)
    store = CompletenessStore(catalog)
    last = store.last_look()
    this = _this_look(silver, current, holes_table)
    if last == this:
        return Look(current.snapshot_id, 0, ())
    holes = read_holes(holes_table, this.holes_snapshot_id)
    survey = Survey(
        HourBook([], store),
        lambda start, end: _held_hours(silver, current.snapshot_id, start, end, settings.spill_dir),
        AbsentIds((hole.symbol, hole.ids) for hole in holes),
        _over_before(this, settings),
    )
    told = holes_told(holes_table, None if last is None else last.holes_snapshot_id, holes)
    rows = survey.run(_load_book(survey.book, store, silver, last, told, settings))
    # The lock is of this machine; a look from elsewhere is seen by its stamps.
    if CompletenessStore(catalog).last_look() != last:
        raise AnotherLookError("another look at completeness wrote meanwhile; this one wrote nothing")
    append_rows(catalog, rows, this, datetime.now(UTC))
    logger.info(
        "event=completeness_looked hours_read=%d rows=%d sealed=%d missing=%d",
        *(survey.hours_read, len(rows), sum(row.is_sealed for row in rows), sum(row.missing for row in rows)),
    )
    return Look(current.snapshot_id, survey.hours_read, rows)


def _this_look(silver: IcebergTable, current: Snapshot, holes: IcebergTable) -> LastLook:
    watermark = newest_stamp(silver, WATERMARK)
    holes_snapshot = holes.current_snapshot()
    return LastLook(
        silver_snapshot_id=current.snapshot_id,
        silver_sequence=current.sequence_number or 0,
        watermark_us=None if watermark is None else int(watermark),
        holes_snapshot_id=None if holes_snapshot is None else holes_snapshot.snapshot_id,
    )


def _load_book(
    book: HourBook,
    store: CompletenessStore,
    silver: IcebergTable,
    last: LastLook | None,
    told: HolesTold,
    settings: Settings,
) -> set[int]:
    """Fill the book as far back as this look needs; the hours that changed since the last one."""
    if last is None or told.some_are_gone or rows_may_have_left(silver, last.silver_snapshot_id):
        book.put_all(store.since(None))
        return {*changed_hours(silver, None), *(row.hour for row in book.rows() if row.present)}
    lacking = store.lacking({hole.symbol for hole in told.new})
    changed = {*changed_hours(silver, last.silver_sequence), *(row.hour for row in lacking if told.may_fill(row))}
    # What was open at the last look may be over now.
    book.put_all(store.since(min({*changed, _over_before(last, settings)}) - WINDOW_HOURS))
    return changed


def hours_over(store: CompletenessStore, settings: Settings) -> int | None:
    """The hours before it were over at the last look; None where there was none."""
    last = store.last_look()
    return None if last is None else _over_before(last, settings)


def _over_before(at: LastLook, settings: Settings) -> int:
    """The hours before it ended so long before the watermark that they are over."""
    if at.watermark_us is None:
        return 0
    return (at.watermark_us - settings.completeness_margin_minutes * _MINUTE_US) // HOUR_US


def _held_hours(silver: IcebergTable, snapshot_id: int, start: int, end: int, spill_dir: Path) -> list[HeldHour]:
    """Every symbol in the hours from `start` up to, without, `end`, as `completeness_survey.ReadHours` says."""
    bounds = [from_microseconds(max(0, hour) * HOUR_US) for hour in (start, end)]
    files = all_of(at_least("event_ts", bounds[0].isoformat()), below("event_ts", bounds[1].isoformat()))
    with bounded_duckdb("completeness", spill_under=spill_dir) as connection:
        make_view(connection, "held", silver, snapshot_id, files, ("symbol", "agg_id", "event_ts"))
        found = connection.execute(
            f"""
            WITH steps AS (
                SELECT symbol, agg_id, epoch_us(event_ts) // {HOUR_US} AS hour,
                    lag(agg_id) OVER (PARTITION BY symbol ORDER BY agg_id) AS before
                FROM held WHERE event_ts >= $1 AND event_ts < $2
            )
            SELECT symbol, hour, min(agg_id), max(agg_id), count(*) FILTER (before IS NULL OR before < agg_id),
                list([before + 1, agg_id - 1] ORDER BY agg_id) FILTER (agg_id > before + 1),
                bool_and(before IS NOT NULL)
            FROM steps GROUP BY 1, 2
            """,  # noqa: S608 a constant
            bounds,
        ).fetchall()
    return [
        HeldHour(symbol, hour, first, last, present, tuple(IdRange(*gap) for gap in gaps or ()), is_start_known)
        for symbol, hour, first, last, present, gaps, is_start_known in found
    ]
