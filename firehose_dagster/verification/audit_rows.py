"""The micro-batches as the audit tells them: `ops_audit` united with the stamps that silver's commits carry.

Rows of `ops_audit` are written in groups, after the batch; the stamp on silver's commit is there from the start.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import takewhile
from typing import Any

from firehose_dagster.contracts.position import AUDIT, OFFSETS_LOST, REBUILD, ROWS_LOST, Position
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.snapshots import lineage, stamp
from firehose_dagster.verification.pinned_lake import PinnedLake

ROLL_UP = "roll-up/"
"""What the run id of a row begins with that is the sum of a day's batches."""
_KINDS = f"('micro_batch', '{REBUILD}', '{ROWS_LOST}')"
_COLUMNS = (
    "run_id",
    "kind",
    "started_at",
    "finished_at",
    "rows_in",
    "rows_out",
    "dq_pass",
    "dq_fail",
    "dq_fail_by_rule",
    "duplicates",
    "conflicts",
    "late_rows",
    "gold_minutes",
    "spikes",
    "watermark",
    "offsets_start",
    "offsets_end",
    "silver_snapshot_id",
)


@dataclass(frozen=True, slots=True)
class AuditRow:
    """What one micro-batch took in and what became of it. `starts` and `ends` are offsets by partition."""

    run_id: str
    kind: str
    started_at: datetime
    finished_at: datetime
    rows_in: int
    rows_out: int
    dq_pass: int
    dq_fail: int
    dq_fail_by_rule: dict[str, int]
    duplicates: int
    conflicts: int
    late_rows: int
    gold_minutes: int
    spikes: int
    watermark: datetime | None
    """A trade before it was late; None for the first batch, which had none to go by."""
    starts: dict[int, int]
    ends: dict[int, int]
    silver_snapshot_id: int | None
    """Silver after the batch; None where the row is told by silver's stamp alone, or was: gold was not known then."""

    @property
    def is_batch(self) -> bool:
        """Whether it is one micro-batch or the sum of some, and no incident."""
        return self.kind == "micro_batch"

    @property
    def is_sum(self) -> bool:
        """Whether it is the sum of a day's batches, with what was the last one's alone."""
        return self.run_id.startswith(ROLL_UP)


def audit_rows(lake: PinnedLake) -> tuple[AuditRow, ...]:
    """The micro-batches that the position covers, by run id, each once; `ops_audit` goes before the stamp.

    With them the rows that take back what batches told of records that a table lost afterwards: they read no offsets.

    What was before silver was last emptied for a rebuild tells of rows that are no more: it is left out. Silver's
    commits tell what was before it, whatever the clock said; of those that have expired the times do.
    """
    found: dict[str, AuditRow] = {}
    for row in _stamped_rows(lake):
        found.setdefault(row.run_id, row)
    rebuild = next((row for row in found.values() if row.kind == REBUILD), None)
    since = set(takewhile(lambda run_id: found[run_id].kind != REBUILD, found))
    for values in lake.rows(f"SELECT {', '.join(_COLUMNS)} FROM audit WHERE kind IN {_KINDS}"):  # noqa: S608 constants
        row = _audit_row(dict(zip(_COLUMNS, values, strict=True)))
        found[row.run_id] = row
    if rebuild is None:
        rebuilt_at = max((row.started_at for row in found.values() if row.kind == REBUILD), default=None)
    else:
        rebuilt_at = rebuild.started_at

    def is_of_silver_now(row: AuditRow) -> bool:
        if row.run_id in since:
            return True
        # Where the commit of the rebuild is known, so is each one since.
        if rebuild is not None and row.is_batch:
            return False
        return rebuilt_at is None or row.started_at >= rebuilt_at

    covered = lake.position
    counted = (
        row
        for row in found.values()
        if row.kind != REBUILD and is_of_silver_now(row) and covered and covered.covers(row.ends)
    )
    return tuple(sorted(counted, key=lambda row: row.run_id))


def _stamped_rows(lake: PinnedLake) -> Iterator[AuditRow]:
    """What silver's commits tell, the newest first."""
    silver = lake.tables.get(SILVER.name)
    if silver is None or lake.silver_snapshot_id is None:
        return
    for snapshot in lineage(silver, lake.silver_snapshot_id):
        text = stamp(snapshot, AUDIT)
        if text is not None:
            yield _audit_row(json.loads(text))


def lost_offsets(lake: PinnedLake) -> dict[int, list[tuple[int, int]]]:
    """By partition the first offset and the one after the last of records that the topic lost, in order, as told.

    Ranges that overlap or touch are one: a topic may lose more at a place from which no batch was taken meanwhile.
    """
    told: dict[int, list[tuple[int, int]]] = {}
    for starts, ends in lake.connection.execute(
        "SELECT DISTINCT offsets_start, offsets_end FROM audit WHERE kind = ?", [OFFSETS_LOST]
    ).fetchall():
        first = _offsets(starts)
        for partition, end in _offsets(ends).items():
            told.setdefault(partition, []).append((first[partition], end))
    return {partition: _united(ranges) for partition, ranges in told.items()}


def _united(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    united: list[tuple[int, int]] = []
    for start, end in sorted(ranges):
        if united and start <= united[-1][1]:
            united[-1] = (united[-1][0], max(end, united[-1][1]))
        else:
            united.append((start, end))
    return united


def run_ids_recorded_twice(lake: PinnedLake) -> dict[str, int]:
    """Run ids of micro-batches that `ops_audit` has more than once, with how often."""
    doubled = lake.connection.execute(
        "SELECT run_id, count(*) FROM audit WHERE kind = 'micro_batch' GROUP BY 1 HAVING count(*) > 1 ORDER BY 1"
    ).fetchall()
    return dict(doubled)


def _audit_row(values: dict[str, Any]) -> AuditRow:
    return AuditRow(
        run_id=values["run_id"],
        kind=values["kind"],
        started_at=_instant(values["started_at"]),
        finished_at=_instant(values.get("finished_at") or values["started_at"]),
        rows_in=int(values["rows_in"]),
        rows_out=int(values["rows_out"]),
        dq_pass=int(values["dq_pass"]),
        dq_fail=int(values["dq_fail"]),
        dq_fail_by_rule=dict(values.get("dq_fail_by_rule") or {}),
        duplicates=int(values["duplicates"]),
        conflicts=int(values["conflicts"]),
        late_rows=int(values["late_rows"]),
        gold_minutes=int(values.get("gold_minutes") or 0),
        spikes=int(values.get("spikes") or 0),
        watermark=None if values.get("watermark") is None else _instant(values["watermark"]),
        starts=_offsets(values.get("offsets_start")),
        ends=_offsets(values.get("offsets_end")),
        silver_snapshot_id=values.get("silver_snapshot_id"),
    )


def _offsets(text: str | None) -> dict[int, int]:
    return {} if not text else dict(Position.from_json(text).offsets)


def _instant(value: str | datetime) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)
