"""What the stream tells Dagster: its progress as observations, a materialization each quarter of an hour.

A check that is older than its asset's newest materialization counts as not evaluated in Dagster, and a verification
takes its time: materialized each minute, no layer would ever be seen green.
"""

import threading
import time
from collections.abc import Mapping

import dagster as dg
from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.table import Table
from firehose_dagster.defs.report_pace import ReportPace
from firehose_dagster.defs.table_metadata import MetadataEntry
from firehose_dagster.defs.telling import told_if_possible
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.progress import StreamProgress

MATERIALIZE_EVERY_SECONDS = 900.0


class StreamReporter:
    """Collects batches from the query's thread; reports from the step's own."""

    def __init__(
        self, context: dg.AssetExecutionContext, catalog: Catalog, tables: Mapping[dg.AssetKey, Table]
    ) -> None:
        self._context = context
        self._catalog = catalog
        self._tables = tables
        self._lock = threading.Lock()
        self._batches: list[BatchAudit] = []
        self._progress: StreamProgress | None = None
        self._pace = ReportPace()
        self._materialized_at: float | None = None

    def add(self, audit: BatchAudit, progress: StreamProgress) -> None:
        """Take note of a batch."""
        with self._lock:
            self._batches.append(audit)
            self._progress = progress

    def report_if_due(self) -> None:
        """Report what came since the last report, at the pace of all reports. What fails is not told.

        The first report, and one each quarter of an hour, is a materialization, the others are observations.
        """
        now = time.monotonic()
        if not self._pace.is_due(now):
            return
        with self._lock:
            batches, self._batches = self._batches, []
            progress = self._progress
        if not batches or progress is None:
            return
        self._pace.reported(now)
        is_due = self._materialized_at is None or now - self._materialized_at >= MATERIALIZE_EVERY_SECONDS
        with told_if_possible("the progress of the stream"):
            self._report(batches, progress, dg.AssetMaterialization if is_due else dg.AssetObservation)
            self._materialized_at = now if is_due else self._materialized_at

    def _report(
        self,
        batches: list[BatchAudit],
        progress: StreamProgress,
        kind: type[dg.AssetMaterialization] | type[dg.AssetObservation],
    ) -> None:
        figures = _figures(batches)
        for key, table in self._tables.items():
            # The audit's rows are buffered for some seconds, so its own count may lag behind the figures beside it.
            metadata = {**table_report(self._catalog, table), **figures}
            self._context.log_event(kind(key, metadata=metadata))
            if table is OPS_AUDIT:
                self._context.log_event(dg.AssetObservation(key, metadata=_health(batches, progress)))


def table_report(catalog: Catalog, table: Table) -> dict[str, MetadataEntry]:
    """What the table holds now."""
    loaded = catalog.load_table(table.identifier)
    snapshot = loaded.current_snapshot()
    if snapshot is None or snapshot.summary is None:
        return {"dagster/row_count": 0}
    summary = snapshot.summary.additional_properties
    report: dict[str, MetadataEntry] = {
        "dagster/row_count": int(summary.get("total-records", "0")),
        "data files": int(summary.get("total-data-files", "0")),
        "bytes": int(summary.get("total-files-size", "0")),
        "snapshot id": str(snapshot.snapshot_id),
        "snapshots": len(loaded.metadata.snapshots),
    }
    offsets = newest_stamp(loaded, OFFSETS)
    if offsets is not None:
        report["topic offsets held"] = dg.MetadataValue.json(offsets)
    return report


def _figures(batches: list[BatchAudit]) -> dict[str, MetadataEntry]:
    by_rule: dict[str, int] = {}
    for batch in batches:
        for rule, rows in batch.dq_fail_by_rule.items():
            by_rule[rule] = by_rule.get(rule, 0) + rows
    rows_in = sum(batch.rows_in for batch in batches)
    accounted = sum(batch.rows_out + batch.dq_fail + batch.duplicates for batch in batches)
    return {
        "since the last report: batches": len(batches),
        "rows in": rows_in,
        "rows to silver": sum(batch.rows_out for batch in batches),
        "rows quarantined": sum(batch.dq_fail for batch in batches),
        "rows that passed every rule": sum(batch.dq_pass for batch in batches),
        "exact duplicates": sum(batch.duplicates for batch in batches),
        "rows unaccounted for": rows_in - accounted,
        "late rows": sum(batch.late_rows for batch in batches),
        "gold minutes changed": sum(batch.gold_minutes for batch in batches),
        "spikes": sum(batch.spikes for batch in batches),
        "rules broken": dg.MetadataValue.json(by_rule),
    }


def _health(batches: list[BatchAudit], progress: StreamProgress) -> dict[str, MetadataEntry]:
    lags = [batch.max_lag_ms for batch in batches if batch.max_lag_ms is not None]
    seconds = [(batch.finished_at - batch.started_at).total_seconds() for batch in batches]
    return {
        "largest lag ms": max(lags) if lags else "no row",
        "slowest batch s": max(seconds),
        "mean batch s": sum(seconds) / len(seconds),
        "batches since start": progress.batches,
        "rows since start": progress.rows_in,
        "watermark": batches[-1].watermark.isoformat() if batches[-1].watermark else "none yet",
    }
