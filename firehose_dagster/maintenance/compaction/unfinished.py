"""Rewrites that were committed by a run that did not live to check and record them. Found in the table itself."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.row_filters import all_of, at_least, equals
from firehose_dagster.lake.snapshots import lineage, stamp
from firehose_dagster.maintenance.compaction.live_files import change
from firehose_dagster.maintenance.compaction.proof import Rewrite, Stamp, from_text
from firehose_dagster.maintenance.compaction.report import kind
from firehose_dagster.maintenance.compaction.rewrite_commit import STAMP

_LONGEST_RUN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A committed rewrite without a row in `ops_audit`."""

    stamp: Stamp
    rewrite: Rewrite
    parent_id: int | None
    """The snapshot before it, in which the old files are listed."""
    committed_at: datetime


def unfinished(catalog: Catalog, table: IcebergTable, contract: Table) -> list[Unfinished]:
    """Oldest first. Reads metadata and the newest days of `ops_audit`; one whose snapshot expired is not found."""
    stamped = [
        (snapshot, found)
        for snapshot in lineage(table)
        if (text := stamp(snapshot, STAMP)) is not None and (found := from_text(text)).action == "rewrite"
    ]
    if not stamped:
        return []
    recorded = _recorded(catalog, contract, min(_committed_at(snapshot) for snapshot, _ in stamped) - _LONGEST_RUN)
    return [
        Unfinished(found, _rewrite(table, snapshot), snapshot.parent_snapshot_id, _committed_at(snapshot))
        for snapshot, found in reversed(stamped)
        if found.id not in recorded
    ]


def _recorded(catalog: Catalog, contract: Table, since: datetime) -> set[str]:
    try:
        audit = catalog.load_table(OPS_AUDIT.identifier)
    except NoSuchTableError:
        return set()
    condition = all_of(equals("kind", kind(contract)), at_least("started_at", since.isoformat()))
    return set(audit.scan(row_filter=condition, selected_fields=("run_id",)).to_arrow().column("run_id").to_pylist())


def _rewrite(table: IcebergTable, snapshot: Snapshot) -> Rewrite:
    did = change(table, snapshot.snapshot_id)
    (new_path,) = did.added
    return Rewrite(snapshot.snapshot_id, did.removed, new_path)


def _committed_at(snapshot: Snapshot) -> datetime:
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1_000, tz=UTC)
