"""What earlier reconciliations left in `ops_audit`: what is settled, and which records are told as lost."""

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.expressions import BooleanExpression

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import REBUILD, ROWS_LOST
from firehose_dagster.contracts.topic import OffsetRange
from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.lake.row_filters import all_of, any_of, at_least, below, equals
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord

KIND = f"reconciliation:{BRONZE.name}"
_OFFSETS = "offsets"
_BRONZE_OFFSETS = "bronze_offsets"
"""Of the detail of an incident: `[[partition, first, the one after the last], ...]`. `firehose verify` reads them."""
_LOOKBACK = timedelta(days=40)
"""The newest run is looked for in so many days; behind it everything is read again."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What the newest run knew when it ended, and what was told as lost until now."""

    settled_days: Mapping[int, str]
    """By day since the epoch the counts with which it was found clean."""
    rejected: Mapping[int, int]
    """By day since the epoch the records that were rejected on it and that quarantine held."""
    settled_surplus: int | None
    """Offsets taken less rows of bronze, when the topic held nothing that bronze lacked; None: not known."""
    told: Sequence[OffsetRange]
    """The records that `ops_audit` tells as lost from silver or quarantine, since silver was last rebuilt."""
    told_of_bronze: Sequence[OffsetRange]
    """Those that it tells as lost from bronze."""
    told_on: frozenset[date]
    """The days of those rows: what must be read to know them."""
    rebuilt_at: datetime | None


def read_memory(catalog: Catalog) -> Memory:
    """From the newest run's row and the incidents; where there was no run, from the whole audit."""
    audit = catalog.load_table(OPS_AUDIT.identifier)
    since = (datetime.now(UTC) - _LOOKBACK).isoformat()
    runs = audit.scan(
        row_filter=all_of(equals("kind", KIND), at_least("started_at", since)),
        selected_fields=("started_at", "detail"),
    ).to_arrow()
    newest = max(runs.to_pylist(), key=lambda row: row["started_at"], default=None)
    state = {} if newest is None else json.loads(json.loads(newest["detail"])["state"])
    rebuilt_at = datetime.fromisoformat(state["rebuilt_at"]) if state.get("rebuilt_at") else None
    kinds = any_of([equals("kind", ROWS_LOST), equals("kind", REBUILD)])
    if newest is not None:
        told_days = [date.fromisoformat(day) for day in state["told_on"]]
        # The run's own day and those since: a run that was killed left incidents, but no row.
        kinds = all_of(kinds, any_of([*map(_of_day, told_days), at_least("started_at", _day_of(newest["started_at"]))]))
    incidents = audit.scan(row_filter=kinds, selected_fields=("kind", "started_at", "detail")).to_arrow().to_pylist()
    rebuilds = [row["started_at"] for row in incidents if row["kind"] == REBUILD]
    rebuilt_at = max([*rebuilds, *([rebuilt_at] if rebuilt_at is not None else [])], default=None)
    told = [row for row in incidents if row["kind"] == ROWS_LOST]
    # What was lost before a rebuild is there again, and the audit's rows of that time count no more.
    counted = [row for row in told if rebuilt_at is None or row["started_at"] >= rebuilt_at]
    return Memory(
        settled_days={int(day): told for day, told in state.get("settled_days", {}).items()},
        rejected={int(day): int(records) for day, records in state.get("rejected", {}).items()},
        settled_surplus=state.get("settled_surplus"),
        told=[each for row in counted for each in _ranges(row["detail"], _OFFSETS)],
        told_of_bronze=[each for row in told for each in _ranges(row["detail"], _BRONZE_OFFSETS)],
        told_on=frozenset(row["started_at"].date() for row in told),
        rebuilt_at=rebuilt_at,
    )


def state_of(memory: Memory) -> str:
    """What a run's row keeps for the next, as text: the inverse of `read_memory`, but for the ranges themselves."""
    return json.dumps(
        {
            "settled_days": memory.settled_days,
            "rejected": memory.rejected,
            "settled_surplus": memory.settled_surplus,
            "told_on": [day.isoformat() for day in sorted(memory.told_on)],
            "rebuilt_at": None if memory.rebuilt_at is None else memory.rebuilt_at.isoformat(),
        },
        separators=(",", ":"),
    )


def incident(
    run_id: str,
    place: str,
    *,
    from_silver: int = 0,
    from_quarantine: int = 0,
    lost: Sequence[OffsetRange] = (),
    lost_of_bronze: Sequence[OffsetRange] = (),
) -> MaintenanceRecord:
    """The row that tells records as lost: it takes back that they were taken. `place` names where in the run.

    From then on those of silver and quarantine count as duplicates of what was published for them, or will be; those of
    bronze as never read, and what was published for them as the record itself. So the audit adds up before and after.
    """
    now = datetime.now(UTC)
    from_bronze = sum(each.end - each.first for each in lost_of_bronze)
    return MaintenanceRecord(
        # A run that Dagster tries again may tell of the same place once more.
        run_id=f"{run_id}/{ROWS_LOST}/{place}/{uuid.uuid4()}",
        kind=ROWS_LOST,
        started_at=now,
        finished_at=now,
        figures={
            "place": place,
            "from_silver": from_silver,
            "from_quarantine": from_quarantine,
            "from_bronze": from_bronze,
            _OFFSETS: _text(lost),
            _BRONZE_OFFSETS: _text(lost_of_bronze),
        },
        counts={
            "rows_in": -from_bronze,
            "rows_out": -from_silver,
            "dq_fail": -from_quarantine,
            "duplicates": from_silver + from_quarantine - from_bronze,
        },
    )


def _text(ranges: Sequence[OffsetRange]) -> str:
    return json.dumps([list(each) for each in ranges], separators=(",", ":"))


def _ranges(detail: str, name: str) -> list[OffsetRange]:
    return [OffsetRange(*each) for each in json.loads(json.loads(detail)[name])]


def _of_day(day: date) -> BooleanExpression:
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return all_of(
        at_least("started_at", start.isoformat()), below("started_at", (start + timedelta(days=1)).isoformat())
    )


def _day_of(instant: datetime) -> str:
    return datetime(instant.year, instant.month, instant.day, tzinfo=UTC).isoformat()
