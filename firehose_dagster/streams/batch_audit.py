"""The audit of one micro-batch, and the buffer through which audits reach `ops_audit`."""

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import AUDIT
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.row_filters import at_least
from firehose_dagster.lake.snapshots import lineage, stamp

logger = logging.getLogger(__name__)

_FLUSH_EVERY_SECONDS = 15.0
_INSTANTS = ("started_at", "finished_at", "watermark")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchAudit:
    """A row of `ops_audit`, field for column."""

    run_id: str
    kind: str
    query_id: str | None
    batch_id: int | None
    started_at: datetime
    finished_at: datetime
    rows_in: int
    rows_out: int
    dq_pass: int
    dq_fail: int
    dq_fail_by_rule: Mapping[str, int]
    duplicates: int
    conflicts: int
    late_rows: int
    gold_minutes: int
    spikes: int
    max_lag_ms: int | None
    watermark: datetime | None
    offsets_start: str | None
    offsets_end: str | None
    bronze_snapshot_id: int | None
    silver_snapshot_id: int | None
    gold_snapshot_id: int | None
    detail: str | None = None

    def to_json(self) -> str:
        """The form of the stamp on silver's snapshot: what is known before silver is committed."""
        values = asdict(self)
        for name in _INSTANTS:
            values[name] = None if values[name] is None else values[name].isoformat()
        return json.dumps(values, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "BatchAudit":
        """The inverse of `to_json`. A stamp of another version may lack fields, which are as in `NO_ROWS` then, and may
        have others, which are left out."""
        told: dict[str, Any] = json.loads(text)
        for name in _INSTANTS:
            if told.get(name) is not None:
                told[name] = datetime.fromisoformat(told[name])
        return replace(NO_ROWS, **{name: value for name, value in told.items() if name in cls.__slots__})


_LONG_AGO = datetime.fromtimestamp(0, UTC)
NO_ROWS = BatchAudit(
    run_id="",
    kind="",
    query_id=None,
    batch_id=None,
    started_at=_LONG_AGO,
    finished_at=_LONG_AGO,
    rows_in=0,
    rows_out=0,
    dq_pass=0,
    dq_fail=0,
    dq_fail_by_rule={},
    duplicates=0,
    conflicts=0,
    late_rows=0,
    gold_minutes=0,
    spikes=0,
    max_lag_ms=None,
    watermark=None,
    offsets_start=None,
    offsets_end=None,
    bronze_snapshot_id=None,
    silver_snapshot_id=None,
    gold_snapshot_id=None,
)
"""What a row about something else than a micro-batch is made from, and a stamp that does not tell all."""


class AuditBuffer:
    """Collects audits and appends them together, for a commit a batch would cost more than it tells.

    What a crash or a commit that failed loses of the buffer is rebuilt at the next start from the stamps on silver's
    snapshots.
    """

    def __init__(self, catalog: Catalog, writer: DriverTable) -> None:
        self._catalog = catalog
        self._writer = writer
        self._pending: list[BatchAudit] = []
        self._flushed_at = time.monotonic()

    def add(self, audit: BatchAudit) -> None:
        """Keep the row; write all that are kept where the last time lies 15 s back. Nothing is written between batches:
        what is kept when none comes any more is written by `flush` at the end."""
        self._pending.append(audit)
        if time.monotonic() - self._flushed_at >= _FLUSH_EVERY_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the rows that are kept. Where that raises they are kept no more: whether they are there is not known,
        and `rebuild` reads it."""
        pending, self._pending = self._pending, []
        if pending:
            self._append(pending)
        self._flushed_at = time.monotonic()

    def rebuild(self) -> int:
        """Write the rows that silver's snapshots tell of and `ops_audit` lacks; returns how many."""
        silver = self._catalog.load_table(SILVER.identifier)
        stamped: dict[str, BatchAudit] = {}
        for snapshot in lineage(silver):
            text = stamp(snapshot, AUDIT)
            if text is not None:
                audit = BatchAudit.from_json(text)
                stamped[audit.run_id] = audit
        if not stamped:
            return 0
        oldest = min(audit.started_at for audit in stamped.values())
        held = (
            self._catalog.load_table(OPS_AUDIT.identifier)
            .scan(row_filter=at_least("started_at", oldest.isoformat()), selected_fields=("run_id",))
            .to_arrow()
        )
        missing = [stamped[run_id] for run_id in stamped.keys() - set(held.column("run_id").to_pylist())]
        if missing:
            self._append(sorted(missing, key=lambda audit: audit.started_at))
            logger.info("audit rebuilt rows=%d", len(missing))
        return len(missing)

    def _append(self, audits: list[BatchAudit]) -> None:
        columns: dict[str, list[Any]] = {
            name: [getattr(audit, name) for audit in audits] for name in OPS_AUDIT.column_names
        }
        columns["dq_fail_by_rule"] = [list(audit.dq_fail_by_rule.items()) for audit in audits]
        self._writer.append(self._writer.arrow(columns), {})
