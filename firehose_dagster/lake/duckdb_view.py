"""An Iceberg snapshot as a DuckDB view: pyiceberg plans the files, DuckDB reads them where they lie on a local disk.

Columns are found in the files by Iceberg's field ids, so a column added after a file was written reads as NULL.

Files on an object store are read by Arrow, for DuckDB's own extension for that is not in its package: as DuckDB asks
for them, only the columns and row groups that a query needs, and by name (the contracts never rename a column).
"""

from collections.abc import Collection, Iterable
from urllib.parse import urlparse

import duckdb
import pyarrow.dataset as ds
from pyiceberg.expressions import AlwaysTrue, BooleanExpression
from pyiceberg.io.pyarrow import PyArrowFileIO, schema_to_pyarrow
from pyiceberg.schema import Schema
from pyiceberg.table import Table
from pyiceberg.types import (
    BooleanType,
    DateType,
    DecimalType,
    DoubleType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

_SCALARS: dict[type[IcebergType], str] = {
    StringType: "VARCHAR",
    LongType: "BIGINT",
    IntegerType: "INTEGER",
    BooleanType: "BOOLEAN",
    TimestamptzType: "TIMESTAMPTZ",
    DateType: "DATE",
    DoubleType: "DOUBLE",
}
ALWAYS_TRUE = AlwaysTrue()
_GLOB_CHARACTERS = frozenset("*?[")


def duckdb_type(type_: IcebergType) -> str:
    """The DuckDB spelling of an Iceberg type. Raises ValueError for a type that no contract uses."""
    match type_:
        case DecimalType():
            return f"DECIMAL({type_.precision},{type_.scale})"
        case ListType():
            return f"{duckdb_type(type_.element_type)}[]"
        case MapType():
            return f"MAP({duckdb_type(type_.key_type)}, {duckdb_type(type_.value_type)})"
    if type(type_) not in _SCALARS:
        raise ValueError(f"Iceberg type {type_} has no DuckDB rendering here: add it to {__name__}")
    return _SCALARS[type(type_)]


def quoted(text: str) -> str:
    """A SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def make_view(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    table: Table,
    snapshot_id: int | None,
    file_filter: BooleanExpression = ALWAYS_TRUE,
    columns: Collection[str] = (),
) -> list[str]:
    """Make the view `name` over a snapshot of the table (None: a typed, empty view), columns as the table has them now.

    With `columns` the view has these alone. Files without a row that `file_filter` lets pass are left out where
    Iceberg's metadata tells; of the other files the view may show every row. Returns the local files that the view
    reads, so that the caller can allow these and no others. Files with row deletes are read by pyiceberg into memory
    instead.
    """
    fields = [field for field in table.schema().fields if not columns or field.name in columns]
    if snapshot_id is None:
        make_empty_view(connection, name, {field.name: duckdb_type(field.field_type) for field in fields})
        return []
    scan = table.scan(snapshot_id=snapshot_id, row_filter=file_filter)
    tasks = list(scan.plan_files())
    paths = [local_path(task.file.file_path) for task in tasks]
    if not tasks:
        make_empty_view(connection, name, {field.name: duckdb_type(field.field_type) for field in fields})
        return []
    local_paths = [path for path in paths if path is not None]
    if any(task.delete_files for task in tasks):
        names = tuple(field.name for field in fields)
        connection.register(f"{name}__rows", scan.select(*names).to_arrow())
        connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM "{name}__rows"')  # noqa: S608 names of contracts
        return []
    if len(local_paths) < len(tasks):
        dataset = _arrow_dataset(table, fields, [task.file.file_path for task in tasks])
        connection.register(f"{name}__files", dataset)
        connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM "{name}__files"')  # noqa: S608 names of contracts
        return []
    source = parquet_source(fields, local_paths)
    connection.execute(f'CREATE VIEW "{name}" AS SELECT * FROM {source}')  # noqa: S608 names are quoted
    return local_paths


def parquet_source(fields: Iterable[NestedField], paths: Iterable[str]) -> str:
    """What to select from to read local files of a table, at least one, with the columns `fields`."""
    columns = ", ".join(
        f"{field.field_id}: {{name: {quoted(field.name)}, type: {quoted(duckdb_type(field.field_type))}, "
        "default_value: NULL}"
        for field in fields
    )
    return f"read_parquet([{', '.join(quoted(path) for path in paths)}], schema = MAP {{{columns}}})"


def make_empty_view(connection: duckdb.DuckDBPyConnection, name: str, types: dict[str, str]) -> None:
    """A view without rows whose columns have the given DuckDB types."""
    columns = ", ".join(f'CAST(NULL AS {type_}) AS "{column}"' for column, type_ in types.items())
    connection.execute(f'CREATE VIEW "{name}" AS SELECT {columns} WHERE false')


def _arrow_dataset(table: Table, fields: Iterable[NestedField], locations: list[str]) -> ds.Dataset:
    """The files as one Arrow dataset with these columns; reads nothing yet."""
    assert isinstance(table.io, PyArrowFileIO)  # noqa: S101 - `file_io_properties` says so
    scheme, netloc, _ = PyArrowFileIO.parse_location(locations[0], table.io.properties)
    return ds.dataset(
        [PyArrowFileIO.parse_location(location, table.io.properties)[2] for location in locations],
        schema=schema_to_pyarrow(Schema(*fields), include_field_ids=False),
        format="parquet",
        filesystem=table.io.fs_by_scheme(scheme, netloc),
    )


def local_path(location: str) -> str | None:
    """The path of a `file:` location or a bare path; None for another store, or where DuckDB would see a pattern."""
    scheme = urlparse(location).scheme
    if scheme not in ("", "file") or _GLOB_CHARACTERS & set(location):
        return None
    # By hand: in the path of a file, what a URL's query or fragment begins with is a character like any other.
    return location.removeprefix("file:").removeprefix("//") if scheme else location
