"""In which hours silver has files that it did not have at an earlier look: told by metadata alone."""

from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Operation

from firehose_dagster.lake.snapshots import lineage

_ROWS_STAY = (Operation.APPEND, Operation.REPLACE)
"""The stream inserts, and compaction replaces files by one with the same rows."""


def changed_hours(table: IcebergTable, since_sequence: int | None) -> frozenset[int]:
    """The hours, counted from the epoch, of the table's partitions by hour with files newer than a sequence number.

    None: all hours with files. A file that compaction wrote is new, though its rows are not: such an hour is read once
    more.
    """
    current = table.current_snapshot()
    if current is None:
        return frozenset()
    seen = -1 if since_sequence is None else since_sequence
    hours: set[int] = set()
    for manifest in current.manifests(table.io):
        # A manifest holds nothing newer than itself: in the steady state all but the last few are not opened.
        if manifest.sequence_number <= seen:
            continue
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            if (entry.sequence_number or 0) > seen:
                hours.add(entry.data_file.partition[0])
    return frozenset(hours)


def rows_may_have_left(table: IcebergTable, since_id: int) -> bool:
    """Whether something else than appends, and replacements by equal rows, led from a snapshot to the current one.

    So it is too where the snapshot is not found on the way back: it has expired, or the table was rolled back.
    """
    for each in lineage(table):
        if each.snapshot_id == since_id:
            return False
        if each.summary is None or each.summary.operation not in _ROWS_STAY:
            return True
    return True
