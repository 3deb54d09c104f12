"""Retention of the audit by age: the micro-batches of a day become one row, its sums and offsets kept. Off by default.

So what the audit proves stays proved: rows in are rows out, quarantined and duplicates, and no offset is left out. A
day is summed up in stretches in which one batch begins where the one before ended; a rebuild of silver or lost offsets
end a stretch, and their own rows stay as they are. Rows of maintenance go.

A row whose run a table's snapshots still tell of is looked for by its run id: a batch, by whoever unites the audit with
silver's stamps, and a rewrite by the next compaction. A day with such a row is left as it is until they have expired.
"""

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.expressions import BooleanExpression

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import AUDIT, OFFSETS_LOST, REBUILD, ROWS_LOST, Position
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.row_filters import all_of, at_least, below
from firehose_dagster.lake.snapshots import stamp
from firehose_dagster.maintenance.compaction.proof import from_text
from firehose_dagster.maintenance.compaction.rewrite_commit import STAMP

logger = logging.getLogger(__name__)

ROLL_UP = "roll-up"
"""What the run ids of summed rows begin with."""
_SUMMED = (
    *("rows_in", "rows_out", "dq_pass", "dq_fail", "duplicates"),
    *("conflicts", "late_rows", "gold_minutes", "spikes"),
)
_KEPT_KINDS = (REBUILD, OFFSETS_LOST, ROWS_LOST)
_DAYS_PER_RUN = 31
LEAST_DAYS = 7
"""Of younger days rows may still come: the stream rebuilds those that the audit lacks."""

Row = Mapping[str, Any]


def roll_up_audit(catalog: Catalog, keep_days: int, *, now: datetime | None = None) -> Iterator[tuple[date, int, int]]:
    """Sum up the days older than `keep_days`, one commit each: (day, rows before, rows after); nothing for 0 days.

    A run sums up a month at most; one that is killed has summed up some days and not the others. Raises
    ``CommitFailedException`` where a writer was first, ``ValidationException`` where its rows are of the day; the next
    run goes on.
    """
    if keep_days == 0:
        return
    last = (now or datetime.now(UTC)).date() - timedelta(days=max(keep_days, LEAST_DAYS))
    stamped = _stamped_run_ids(catalog)
    due = catalog.load_table(OPS_AUDIT.identifier).scan(
        row_filter=below("started_at", _midnight(last).isoformat()), selected_fields=("started_at", "run_id")
    )
    open_days = {
        row["started_at"].date() for row in due.to_arrow().to_pylist() if not row["run_id"].startswith(f"{ROLL_UP}/")
    }
    summed_days = 0
    for day in sorted(open_days):
        if summed_days == _DAYS_PER_RUN:
            return
        table = catalog.load_table(OPS_AUDIT.identifier)
        rows = table.scan(row_filter=_within(day)).to_arrow().to_pylist()
        summed = summed_up(rows)
        if len(summed) == len(rows) or not stamped.isdisjoint(row["run_id"] for row in rows):
            continue
        table.overwrite(pa.Table.from_pylist(summed, schema=table.schema().as_arrow()), overwrite_filter=_within(day))
        logger.info("audit rolled up day=%s rows=%d into=%d", day.isoformat(), len(rows), len(summed))
        summed_days += 1
        yield day, len(rows), len(summed)


def _stamped_run_ids(catalog: Catalog) -> frozenset[str]:
    """The runs that snapshots tell of: batches by silver's, rewrites by those of each table."""
    found: set[str] = set()
    for contract in TABLES:
        try:
            snapshots = catalog.load_table(contract.identifier).snapshots()
        except NoSuchTableError:
            continue
        found |= {from_text(text).id for each in snapshots if (text := stamp(each, STAMP)) is not None}
        if contract is SILVER:
            audits = (stamp(each, AUDIT) for each in snapshots)
            found |= {json.loads(text)["run_id"] for text in audits if text is not None}
    return frozenset(found)


def summed_up(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows of one day -> those that stay. Pure; sums are exact, the batches keep their order."""
    batches = sorted((row for row in rows if row["kind"] == "micro_batch"), key=lambda row: row["finished_at"])
    ends = sorted(row["started_at"] for row in rows if row["kind"] in _KEPT_KINDS)
    stretches: list[list[Row]] = []
    for row in batches:
        if stretches and _goes_on(stretches[-1][-1], row, ends):
            stretches[-1].append(row)
        else:
            stretches.append([row])
    kept = [dict(row) for row in rows if row["kind"] in _KEPT_KINDS]
    return [*kept, *(dict(each[0]) if len(each) == 1 else _sum(each) for each in stretches)]


def _goes_on(before: Row, row: Row, ends: Sequence[datetime]) -> bool:
    if any(before["started_at"] < end <= row["started_at"] for end in ends):
        return False
    reached, begins = _offsets(before["offsets_end"]), _offsets(row["offsets_start"])
    # A partition that a batch does not name at its start is read from its first record: only a first batch may do so.
    return (
        all(begins.get(partition, -1) == end for partition, end in reached.items()) and begins.keys() <= reached.keys()
    )


def _sum(rows: Sequence[Row]) -> dict[str, Any]:
    first, last = rows[0], rows[-1]
    rules: dict[str, int] = {}
    for row in rows:
        for rule, count in row["dq_fail_by_rule"]:
            rules[rule] = rules.get(rule, 0) + count
    lags = [row["max_lag_ms"] for row in rows if row["max_lag_ms"] is not None]
    return {
        **last,
        **{name: sum(row[name] for row in rows) for name in _SUMMED},
        "run_id": f"{ROLL_UP}/{first['run_id']}",
        "batch_id": None,
        "started_at": first["started_at"],
        "offsets_start": first["offsets_start"],
        "dq_fail_by_rule": sorted(rules.items()),
        "max_lag_ms": max(lags, default=None),
    }


def _offsets(text: str | None) -> Mapping[int, int]:
    return {} if not text else Position.from_json(text).offsets


def _within(day: date) -> BooleanExpression:
    start, end = _midnight(day), _midnight(day + timedelta(days=1))
    return all_of(at_least("started_at", start.isoformat()), below("started_at", end.isoformat()))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
