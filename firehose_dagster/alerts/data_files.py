"""Rows of an append-only Iceberg table, each data file read once: a small commit costs its own file, not the day's."""

import threading
from collections.abc import Iterable

import pyarrow as pa
from pyiceberg.expressions import BooleanExpression
from pyiceberg.io.pyarrow import ArrowScan, schema_to_pyarrow
from pyiceberg.table import FileScanTask
from pyiceberg.table import Table as IcebergTable

_FilesKey = tuple[str, ...]


class DataFileCache:
    """Holds the chosen columns of the data files that the last read needed, and forgets the others.

    Iceberg's files never change under their name, so what is held can be wrong only by being gone, and that the plan
    of each read says. Safe to use from several threads.
    """

    def __init__(self, columns: tuple[str, ...]) -> None:
        self._columns = columns
        self._held: dict[_FilesKey, pa.Table] = {}
        self._lock = threading.Lock()

    def read(self, table: IcebergTable, candidates: BooleanExpression) -> pa.Table:
        """All rows of the files of the current snapshot that may hold rows that the filter `candidates` keeps.

        More rows than asked for come back: the filter prunes files, the caller judges rows.
        """
        scan = table.scan(row_filter=candidates, selected_fields=self._columns)
        tasks = {_files(task): task for task in scan.plan_files()}
        with self._lock:
            self._held = {
                key: self._held[key] if key in self._held else self._read_files(table, [task])
                for key, task in tasks.items()
            }
            empty = schema_to_pyarrow(scan.projection()).empty_table()
            return pa.concat_tables([empty, *self._held.values()], promote_options="permissive")

    def _read_files(self, table: IcebergTable, tasks: Iterable[FileScanTask]) -> pa.Table:
        everything = table.scan(selected_fields=self._columns)
        return ArrowScan(table.metadata, table.io, everything.projection(), everything.row_filter).to_table(tasks)


def _files(task: FileScanTask) -> _FilesKey:
    return (task.file.file_path, *sorted(delete.file_path for delete in task.delete_files))
