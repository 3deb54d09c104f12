"""Runs one SELECT over files of a pinned snapshot, by DuckDB, and gives rows as the API shows them."""

import threading
from collections.abc import Sequence
from typing import Any

import duckdb
import pyarrow as pa
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.api.conditions import Condition, DataFile, pruned
from firehose_dagster.api.local_files import LocalFiles
from firehose_dagster.api.pinned_tables import Pin
from firehose_dagster.api.row_filter import row_filter
from firehose_dagster.api.shown_columns import Row, shown
from firehose_dagster.lake.duckdb_view import parquet_source

_ROWS = "pinned_rows"


class LakeReader:
    """One DuckDB for the whole process; every call has a connection of its own, so threads need not wait."""

    def __init__(self, local_files: LocalFiles) -> None:
        self._local_files = local_files
        # The second setting is also what lets the first be set here: else DuckDB would go looking for an extension.
        self._database = duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": "false"})
        self._lock = threading.Lock()

    def rows(
        self, pin: Pin, conditions: Sequence[Condition], tail: str = "", parameters: Sequence[Any] = ()
    ) -> list[Row]:
        """The table's rows that meet the conditions, as shown; `tail` is what follows WHERE, from QUALIFY to LIMIT.

        Raises duckdb.Error or OSError where a file is gone.
        """
        if pin.table is None:
            return []
        names = pin.contract.column_names
        select = ", ".join(shown(column) for column in pin.contract.columns)
        return [
            dict(zip(names, values, strict=True)) for values in self.values(pin, select, conditions, tail, parameters)
        ]

    def values(
        self,
        pin: Pin,
        select: str,
        conditions: Sequence[Condition],
        tail: str = "",
        parameters: Sequence[Any] = (),
        files: Sequence[DataFile] | None = None,
    ) -> list[tuple[Any, ...]]:
        """The same for expressions of one's own, over all files or the given; `parameters` are those of `tail`.

        Where no file can hold a row that is wanted there is no row, not even one of an aggregate: group it.
        """
        if pin.table is None:
            return []
        where = " AND ".join(condition.sql for condition in conditions) or "true"
        values = [value for condition in conditions for value in condition.parameters]
        connection = self._connection()
        source = self._source(connection, pin, pin.table, conditions, pin.files if files is None else files)
        if source is None:
            return []
        sql = f"SELECT {select} FROM {source} WHERE {where} {tail}"  # noqa: S608 names of contracts; values are parameters
        return connection.execute(sql, [*values, *parameters]).fetchall()

    def values_of_file(self, pin: Pin, file: DataFile, select: str, tail: str) -> list[tuple[Any, ...]]:
        """The same over one file of the snapshot."""
        if pin.table is None:
            return []
        source = self._parquet(pin.table, [file])
        return self._connection().execute(f"SELECT {select} FROM {source} {tail}").fetchall()  # noqa: S608 names of contracts

    def table_of_file(self, pin: Pin, file: DataFile, select: str, tail: str) -> pa.Table:
        """The same as Arrow. Raises ValueError for a pin without a table: it has no file."""
        if pin.table is None:
            raise ValueError(f"{pin.name} holds no file")
        source = self._parquet(pin.table, [file])
        return self._connection().sql(f"SELECT {select} FROM {source} {tail}").to_arrow_table()  # noqa: S608 names of contracts

    def close(self) -> None:
        """No call may follow."""
        self._database.close()

    def _connection(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            return self._database.cursor()

    def _source(
        self,
        connection: duckdb.DuckDBPyConnection,
        pin: Pin,
        table: IcebergTable,
        conditions: Sequence[Condition],
        files: Sequence[DataFile],
    ) -> str | None:
        """What to select from; None where no file can hold a row that is wanted."""
        if pin.snapshot_files.has_row_deletes:
            scan = table.scan(row_filter=row_filter(conditions), snapshot_id=pin.snapshot_id)
            connection.register(_ROWS, scan.to_arrow())
            return _ROWS
        wanted = pruned(files, conditions)
        return self._parquet(table, wanted) if wanted else None

    def _parquet(self, table: IcebergTable, files: Sequence[DataFile]) -> str:
        return parquet_source(
            table.schema().fields, [self._local_files.path(file.location, table.io) for file in files]
        )
