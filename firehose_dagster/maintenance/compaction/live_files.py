"""The live data files of a table as its metadata lists them, with what a plan of compaction needs to know of each."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date

from pyiceberg.expressions.visitors import manifest_evaluator
from pyiceberg.manifest import DataFile, ManifestContent, ManifestEntry, ManifestEntryStatus, ManifestFile
from pyiceberg.table import Table as IcebergTable
from pyiceberg.table.snapshots import Snapshot

from firehose_dagster.lake.row_filters import equals, is_null

_EPOCH_DAY = date(1970, 1, 1).toordinal()


@dataclass(frozen=True, slots=True)
class LakeFile:
    """One data file."""

    path: str
    partition: int | None
    """Hours or days since the epoch, as the table is partitioned; None for rows without a time."""
    rows: int
    size_bytes: int
    sequence: int
    """Counts up with the commits: a higher one was added later."""
    is_sorted: bool
    """Its rows are in the table's sort order."""


@dataclass(frozen=True, slots=True)
class Change:
    """The paths that one snapshot added and removed."""

    added: frozenset[str]
    removed: frozenset[str]


@dataclass(frozen=True, slots=True)
class Listing:
    """What one snapshot lists. A path that stands twice in the metadata stands twice here."""

    snapshot_id: int
    files: tuple[LakeFile, ...]
    manifests: int
    has_row_deletes: bool


def listing(table: IcebergTable, snapshot_id: int | None = None) -> Listing | None:
    """The live files of a snapshot (default: the current one); None for a table without one.

    Reads manifests, no data. Raises ValueError where the table does not have the snapshot (any more).
    """
    snapshot = _snapshot(table, snapshot_id)
    if snapshot is None:
        return None
    manifests = snapshot.manifests(table.io)
    data = [manifest for manifest in manifests if manifest.content == ManifestContent.DATA]
    return Listing(
        snapshot_id=snapshot.snapshot_id,
        files=tuple(_lake_file(table, entry) for manifest in data for entry in manifest.fetch_manifest_entry(table.io)),
        manifests=len(data),
        has_row_deletes=len(data) < len(manifests),
    )


def partition_listing(table: IcebergTable, snapshot_id: int, partition: int | None) -> tuple[list[LakeFile], Change]:
    """The live files of one partition in a snapshot, and what the snapshot did, to whatever partition.

    Manifests that cannot list a file of the partition are not read: in a table of many small files reading all of them
    takes longer than rewriting a partition. Raises ValueError where the table does not have the snapshot (any more).
    """
    snapshot = _snapshot(table, snapshot_id)
    assert snapshot is not None  # noqa: S101 - asked for by its id
    entries: list[ManifestEntry] = []
    for manifest in snapshot.manifests(table.io):
        if manifest.content == ManifestContent.DATA and (
            manifest.added_snapshot_id == snapshot_id or _may_list(table, manifest, partition)
        ):
            entries += _entries(table, manifest, snapshot)
    live = (_lake_file(table, entry) for entry in entries if entry.status != ManifestEntryStatus.DELETED)
    return [file for file in live if file.partition == partition], _change(entries, snapshot)


def change(table: IcebergTable, snapshot_id: int) -> Change:
    """What a snapshot did, by its own manifests. Raises ValueError where the table does not have it (any more)."""
    snapshot = _snapshot(table, snapshot_id)
    assert snapshot is not None  # noqa: S101 - asked for by its id
    own = [each for each in snapshot.manifests(table.io) if each.added_snapshot_id == snapshot_id]
    return _change([entry for manifest in own for entry in _entries(table, manifest, snapshot)], snapshot)


def listed_twice(files: Iterable[LakeFile]) -> list[str]:
    """Paths that stand more than once."""
    seen: set[str] = set()
    twice: set[str] = set()
    for file in files:
        (twice if file.path in seen else seen).add(file.path)
    return sorted(twice)


def _may_list(table: IcebergTable, manifest: ManifestFile, partition: int | None) -> bool:
    """Whether the manifest can list a file of the partition, by the bounds that the manifest list has of it."""
    spec = table.specs()[manifest.partition_spec_id]
    name = spec.fields[0].name
    wanted = is_null(name) if partition is None else equals(name, partition)
    return manifest_evaluator(spec, table.schema(), wanted)(manifest)


def _entries(table: IcebergTable, manifest: ManifestFile, snapshot: Snapshot) -> list[ManifestEntry]:
    """The live files of a manifest; of one that the snapshot wrote itself also those that it removed."""
    return manifest.fetch_manifest_entry(table.io, discard_deleted=manifest.added_snapshot_id != snapshot.snapshot_id)


def _change(entries: Iterable[ManifestEntry], snapshot: Snapshot) -> Change:
    added: set[str] = set()
    removed: set[str] = set()
    for entry in entries:
        if entry.snapshot_id == snapshot.snapshot_id:
            (removed if entry.status == ManifestEntryStatus.DELETED else added).add(entry.data_file.file_path)
    return Change(frozenset(added), frozenset(removed))


def _snapshot(table: IcebergTable, snapshot_id: int | None) -> Snapshot | None:
    if snapshot_id is None:
        return table.current_snapshot()
    snapshot = table.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise ValueError(f"table {'.'.join(table.name())} has no snapshot {snapshot_id}: it may have been expired")
    return snapshot


def _lake_file(table: IcebergTable, entry: ManifestEntry) -> LakeFile:
    file: DataFile = entry.data_file
    order = table.sort_order()
    return LakeFile(
        path=file.file_path,
        partition=_ordinal(file.partition[0]),
        rows=file.record_count,
        size_bytes=file.file_size_in_bytes,
        sequence=entry.sequence_number or 0,
        is_sorted=file.sort_order_id == order.order_id and not order.is_unsorted,
    )


def _ordinal(value: int | date | None) -> int | None:
    return value.toordinal() - _EPOCH_DAY if isinstance(value, date) else value
