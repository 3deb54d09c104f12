"""Which data files a snapshot consists of. Manifests never change, so each is decoded once."""

import threading
from collections import OrderedDict
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pyiceberg.conversions import from_bytes
from pyiceberg.manifest import DataFile as ManifestFile
from pyiceberg.manifest import ManifestContent
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.types import PrimitiveType, TimestamptzType

from firehose_dagster.api.conditions import DataFile
from firehose_dagster.contracts.instants import from_microseconds

_MANIFESTS_KEPT = 2_000


@dataclass(frozen=True, slots=True)
class SnapshotFiles:
    """The files of one snapshot."""

    data: tuple[DataFile, ...]
    has_row_deletes: bool
    """Another engine deleted rows without rewriting files: the files alone do not say what the table holds."""


class FileIndex:
    """Plans of one table, with the bounds of `columns`. Safe to use from several threads."""

    def __init__(self, columns: Collection[str]) -> None:
        self._columns = columns
        self._manifests: OrderedDict[str, tuple[DataFile, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def files(self, table: Table, snapshot: Snapshot) -> SnapshotFiles:
        """All live files of the snapshot. Raises OSError where a manifest is gone: the snapshot was expired."""
        data: list[DataFile] = []
        has_row_deletes = False
        with self._lock:
            for manifest in snapshot.manifests(table.io):
                if manifest.content == ManifestContent.DELETES:
                    has_row_deletes = has_row_deletes or manifest.has_existing_files() or manifest.has_added_files()
                    continue
                path = manifest.manifest_path
                if path not in self._manifests:
                    entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
                    self._manifests[path] = tuple(self._data_file(table.schema(), each.data_file) for each in entries)
                    if len(self._manifests) > _MANIFESTS_KEPT:
                        self._manifests.popitem(last=False)
                else:
                    self._manifests.move_to_end(path)
                data += self._manifests[path]
        return SnapshotFiles(tuple(data), has_row_deletes)

    def _data_file(self, schema: Schema, file: ManifestFile) -> DataFile:
        bounds: dict[str, tuple[Any, Any]] = {}
        lower, upper = file.lower_bounds or {}, file.upper_bounds or {}
        for column in self._columns:
            iceberg_field = schema.find_field(column)
            type_ = iceberg_field.field_type
            low, high = lower.get(iceberg_field.field_id), upper.get(iceberg_field.field_id)
            if low is not None and high is not None and isinstance(type_, PrimitiveType):
                bounds[column] = _value(type_, low), _value(type_, high)
        return DataFile(file.file_path, bounds)


def _value(type_: PrimitiveType, bound: bytes) -> Any:
    value: Any = from_bytes(type_, bound)
    return from_microseconds(value) if isinstance(type_, TimestamptzType) else value
