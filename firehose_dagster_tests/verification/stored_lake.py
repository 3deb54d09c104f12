"""The data files of a lake, altered where they lie: no metadata tells of it, as none does of a bug or of bit rot."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlparse

import pyarrow as pa
import pyarrow.parquet as pq

from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import Row


class StoredRow(NamedTuple):
    """A row, and where it lies."""

    row: Row
    file: Path
    place: int


@dataclass
class StoredLake:
    """One lake, made once; `restore` undoes what was altered since."""

    settings: Settings
    _originals: dict[Path, bytes] = field(default_factory=dict)

    def files(self, table: Table) -> list[Path]:
        """Those of the current snapshot, in the order of their first rows, for their names are random."""
        held = open_catalog(self.settings).load_table(table.identifier)
        paths = [path_of(task.file.file_path) for task in held.scan().plan_files()]
        return sorted(paths, key=lambda path: str(_rows(path)[0]))

    def rows(self, table: Table) -> list[StoredRow]:
        """All of them, in the same order whatever the files are called."""
        return [StoredRow(row, file, place) for file in self.files(table) for place, row in enumerate(_rows(file))]

    def alter(self, file: Path, change: Callable[[list[Row]], Sequence[Row]]) -> None:
        """Write the file anew with other rows, under the schema it has."""
        schema = pq.read_schema(file)
        rows = list(change(_rows(file)))
        self._keep(file)
        pq.write_table(pa.Table.from_pylist(rows, schema=schema), file)

    def replace(self, stored: StoredRow, *rows: Row) -> None:
        """These rows in place of the one."""
        self.alter(stored.file, lambda held: [*held[: stored.place], *rows, *held[stored.place + 1 :]])

    def location(self, table: Table, file: Path) -> str:
        """What the table calls one of these: pyiceberg and Spark write the same place differently."""
        held = open_catalog(self.settings).load_table(table.identifier)
        locations = (task.file.file_path for task in held.scan().plan_files())
        return next(location for location in locations if path_of(location) == file)

    def listing_file(self, table: Table, kind: str) -> str:
        """The location of the table's `metadata`, or of its current `manifest list` or first `manifest`."""
        held = open_catalog(self.settings).load_table(table.identifier)
        snapshot = held.current_snapshot()
        assert snapshot is not None
        return {
            "metadata": held.metadata_location,
            "manifest list": snapshot.manifest_list,
            "manifest": snapshot.manifests(held.io)[0].manifest_path,
        }[kind]

    def overwrite(self, file: Path, content: bytes) -> None:
        """Other bytes in the file's place."""
        self._keep(file)
        file.write_bytes(content)

    def delete(self, file: Path) -> None:
        """Take the file away."""
        self._keep(file)
        file.unlink()

    def restore(self) -> None:
        """Put every file back as it was."""
        for file, content in self._originals.items():
            file.write_bytes(content)
        self._originals.clear()

    def _keep(self, file: Path) -> None:
        self._originals.setdefault(file, file.read_bytes())


def path_of(location: str) -> Path:
    """Of a file on this machine."""
    return Path(urlparse(location).path)


def _rows(file: Path) -> list[Row]:
    rows: list[Row] = pq.read_table(file).to_pylist()
    return rows
