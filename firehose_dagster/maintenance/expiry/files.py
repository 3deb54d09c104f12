"""Which files nothing reaches any more once some snapshots are gone: an exact set difference, without reading it all.

Manifest lists and manifests are compared by name. Data files are not: a manifest names every file of a table, and a
stream leaves a merged one every few commits, so reading the manifests of all snapshots would read the table's list of
files hundreds of times. Instead each removal is read where it was made. A commit that removes a file leaves a `DELETED`
entry, with the sequence number at which the file came: so the file was live from there up to that commit, and it is
garbage when no snapshot that stays lies in between. That holds along an unbroken line of parents from the current
snapshot; of a snapshot beside it (a tag whose neighbours are gone, a rolled-back commit) the files are read in full.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from pyiceberg.io import FileIO
from pyiceberg.manifest import ManifestEntryStatus, ManifestFile
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.snapshots import Snapshot


@dataclass(frozen=True, slots=True)
class FileSet:
    """Locations by kind, each with its size in bytes; None: not told by the metadata."""

    data: Mapping[str, int | None] = field(default_factory=dict)
    manifests: Mapping[str, int | None] = field(default_factory=dict)
    manifest_lists: Mapping[str, int | None] = field(default_factory=dict)
    statistics: Mapping[str, int | None] = field(default_factory=dict)

    def all(self) -> dict[str, int | None]:
        """Every location. Data first: what names a file outlives it."""
        return {**self.data, **self.statistics, **self.manifests, **self.manifest_lists}

    def without(self, needed: "FileSet") -> "FileSet":
        """What is not in `needed`."""
        kept = needed.all().keys()
        return FileSet(*({at: size for at, size in part.items() if at not in kept} for part in self._parts()))

    def _parts(self) -> tuple[Mapping[str, int | None], ...]:
        return (self.data, self.manifests, self.manifest_lists, self.statistics)


class MetadataFiles:
    """Reads manifest lists and manifests, each once. Keep one for one look at one table: it remembers everything."""

    def __init__(self, io: FileIO) -> None:
        self._io = io
        self._lists: dict[str, tuple[ManifestFile, ...]] = {}
        self._live: dict[str, dict[str, int | None]] = {}

    def manifests(self, snapshot: Snapshot) -> tuple[ManifestFile, ...]:
        """The manifests that the snapshot consists of."""
        if snapshot.manifest_list not in self._lists:
            self._lists[snapshot.manifest_list] = tuple(snapshot.manifests(self._io))
        return self._lists[snapshot.manifest_list]

    def live_files(self, snapshots: Iterable[Snapshot]) -> dict[str, int | None]:
        """Data and delete files of these snapshots, with their sizes."""
        found: dict[str, int | None] = {}
        for path, manifest in {m.manifest_path: m for each in snapshots for m in self.manifests(each)}.items():
            if path not in self._live:
                entries = manifest.fetch_manifest_entry(self._io, discard_deleted=True)
                self._live[path] = {each.data_file.file_path: each.data_file.file_size_in_bytes for each in entries}
            found |= self._live[path]
        return found

    def removals(self, snapshot: Snapshot) -> list[tuple[str, int, int]]:
        """(location, size, sequence number at which it came) of each file that the snapshot's own commit removed."""
        return [
            (entry.data_file.file_path, entry.data_file.file_size_in_bytes, entry.file_sequence_number or 0)
            for manifest in self.manifests(snapshot)
            if manifest.added_snapshot_id == snapshot.snapshot_id and manifest.deleted_files_count != 0
            for entry in manifest.fetch_manifest_entry(self._io, discard_deleted=False)
            if entry.status == ManifestEntryStatus.DELETED
        ]


def unreachable_without(files: MetadataFiles, metadata: TableMetadata, expired: frozenset[int]) -> FileSet:
    """Files that some snapshot of `expired` reaches and no other snapshot of the table does.

    Raises what the file store raises where a manifest cannot be read.
    """
    gone = [each for each in metadata.snapshots if each.snapshot_id in expired]
    staying = [each for each in metadata.snapshots if each.snapshot_id not in expired]
    kept_lists = {each.manifest_list for each in staying}
    kept_manifests = {manifest.manifest_path for each in staying for manifest in files.manifests(each)}
    return FileSet(
        data=_unreachable_data(files, metadata, gone, staying),
        manifests={
            manifest.manifest_path: manifest.manifest_length
            for each in gone
            for manifest in files.manifests(each)
            if manifest.manifest_path not in kept_manifests
        },
        manifest_lists={each.manifest_list: None for each in gone if each.manifest_list not in kept_lists},
        statistics={
            each.statistics_path: each.file_size_in_bytes
            for each in (*metadata.statistics, *metadata.partition_statistics)
            if each.snapshot_id in expired
        },
    )


def reachable_from(files: MetadataFiles, metadata: TableMetadata, snapshots: Iterable[Snapshot]) -> FileSet:
    """Every file that these snapshots reach."""
    snapshots = tuple(snapshots)
    ids = {each.snapshot_id for each in snapshots}
    return FileSet(
        data=files.live_files(snapshots),
        manifests={m.manifest_path: m.manifest_length for each in snapshots for m in files.manifests(each)},
        manifest_lists={each.manifest_list: None for each in snapshots},
        statistics={
            each.statistics_path: each.file_size_in_bytes
            for each in (*metadata.statistics, *metadata.partition_statistics)
            if each.snapshot_id in ids
        },
    )


def _unreachable_data(
    files: MetadataFiles, metadata: TableMetadata, gone: list[Snapshot], staying: list[Snapshot]
) -> dict[str, int | None]:
    line = _unbroken_line(metadata)
    gone_at = [each.sequence_number or 0 for each in gone if each.snapshot_id in line]
    staying_at = [each.sequence_number or 0 for each in staying if each.snapshot_id in line]
    candidates: dict[str, int | None] = files.live_files(each for each in gone if each.snapshot_id not in line)
    needed: set[str] = set()
    for snapshot in line.values():
        removed_at = snapshot.sequence_number or 0
        # Also of removals before all that goes: what a rolled-back commit shares is needed by what stays before it.
        for location, size, came_at in files.removals(snapshot):
            if any(came_at <= each < removed_at for each in gone_at):
                candidates[location] = size
            if any(came_at <= each < removed_at for each in staying_at):
                needed.add(location)
    if not candidates:
        return {}
    current = metadata.current_snapshot_id
    in_full = [each for each in staying if each.snapshot_id == current or each.snapshot_id not in line]
    needed |= files.live_files(in_full).keys()
    return {location: size for location, size in candidates.items() if location not in needed}


def _unbroken_line(metadata: TableMetadata) -> dict[int, Snapshot]:
    """The current snapshot and its ancestors, as far as each parent is there."""
    by_id = {each.snapshot_id: each for each in metadata.snapshots}
    found: dict[int, Snapshot] = {}
    each = None if metadata.current_snapshot_id is None else by_id.get(metadata.current_snapshot_id)
    while each is not None:
        found[each.snapshot_id] = each
        each = None if each.parent_snapshot_id is None else by_id.get(each.parent_snapshot_id)
    return found
