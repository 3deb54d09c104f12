"""`firehose sql`: one DuckDB SELECT over the current snapshots of the lake, read-only, and its renderings."""

import json
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, time
from decimal import Decimal
from io import StringIO

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as TextTable
from rich.text import Text

from firehose_dagster.contracts.table import NAMESPACE, Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake import file_counts
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.duckdb_view import duckdb_type, make_empty_view, make_view, quoted
from firehose_dagster.lake.iceberg_schema import schema
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class QueryError(ExplainedError):
    """A query that cannot be run, said in one line."""


def run_query(settings: Settings, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
    """Run one SELECT (also DESCRIBE, SHOW, VALUES, FROM) over the tables of the contracts, each as it is now.

    A table is reachable as `crypto_silver_trades` and as `crypto.crypto_silver_trades`; one that holds nothing yet is
    empty. `lake_files` has the data files of every table, a row a partition. `$name` stands for a value of
    `parameters`. Decimals stay decimals, timestamps are UTC. Nothing outside the lake's own files can be read, nothing
    can be written. Raises QueryError for text that is no single SELECT and for what DuckDB refuses.
    """
    with duckdb.connect(config={"autoinstall_known_extensions": "false"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        _refuse_all_but_one_select(connection, sql)
        catalog = open_catalog(settings)
        connection.execute(f"CREATE SCHEMA {NAMESPACE}")
        files: list[str] = []
        for table in _mentioned(sql):
            files += _make_table_view(connection, catalog, table)
        if file_counts.NAME in sql.lower():
            connection.register(file_counts.NAME, file_counts.file_counts(_held_tables(catalog)))
        # The allowed files are opened for reading only: the one kind of statement let through cannot write.
        connection.execute(f"SET allowed_paths = [{', '.join(quoted(path) for path in files)}]")
        connection.execute("SET enable_external_access = false")
        connection.execute("SET lock_configuration = true")
        try:
            return connection.sql(sql, params=None if parameters is None else dict(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise QueryError(_one_line(error)) from error


def _refuse_all_but_one_select(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    try:
        statements = connection.extract_statements(sql)
    except duckdb.Error as error:
        raise QueryError(_one_line(error)) from error
    if len(statements) != 1:
        raise QueryError(f"one SELECT at a time, but {len(statements)} statements were given")
    if statements[0].type != duckdb.StatementType.SELECT:
        kind = str(statements[0].type).rpartition(".")[2]
        raise QueryError(f"the lake is read-only here: give a SELECT, not a statement of kind {kind}")


def _mentioned(sql: str) -> tuple[Table, ...]:
    """The tables whose names occur in the text; all, where none does, for it may ask what there is."""
    text = sql.lower()
    return tuple(table for table in TABLES if table.name in text) or TABLES


def _held_tables(catalog: Catalog) -> list[IcebergTable]:
    held = []
    for table in TABLES:
        with suppress(NoSuchTableError):
            held.append(catalog.load_table(table.identifier))
    return held


def _make_table_view(connection: duckdb.DuckDBPyConnection, catalog: Catalog, table: Table) -> list[str]:
    files: list[str] = []
    try:
        held = catalog.load_table(table.identifier)
    except NoSuchTableError:
        types = {field.name: duckdb_type(field.field_type) for field in schema(table).fields}
        make_empty_view(connection, table.name, types)
    else:
        current = held.current_snapshot()
        files = make_view(connection, table.name, held, None if current is None else current.snapshot_id)
    view = f'CREATE VIEW {NAMESPACE}."{table.name}" AS SELECT * FROM memory.main."{table.name}"'  # noqa: S608 names of contracts
    connection.execute(view)
    return files


def _one_line(error: duckdb.Error) -> str:
    """DuckDB's message without its picture of the text: `Binder Error: ... (line 1: select ...)` says enough."""
    lines = [line.strip() for line in str(error).splitlines()]
    return " ".join(line for line in lines if line and set(line) != {"^"})


def to_json(table: pa.Table) -> str:
    """A list of objects, one a row, in column order. A name that comes twice gets `_2`, `_3` and so on.

    Decimals are strings with all their places; whole numbers of any size are numbers; timestamps are ISO 8601 in UTC
    with microseconds and `Z`; a double that is no number is null; binary is hexadecimal.
    """
    names = _distinct(table.column_names)
    columns = [column.to_pylist(maps_as_pydicts="strict") for column in table.columns]
    rows = [dict(zip(names, map(_json_value, values), strict=True)) for values in zip(*columns, strict=True)]
    return json.dumps(rows, ensure_ascii=False, allow_nan=False)


def _distinct(names: list[str]) -> list[str]:
    seen: dict[str, int] = {}
    distinct = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        distinct.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return distinct


def _json_value(value: object) -> object:
    match value:
        case None | bool() | int() | str():
            return value
        case Decimal():
            # A contract's decimal always has places; DuckDB's 128-bit whole numbers come as decimals without.
            return int(value) if value.as_tuple().exponent == 0 else format(value, "f")
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return _iso(value)
        case date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case list() | tuple():
            return [_json_value(each) for each in value]
        case dict():
            return {str(key): _json_value(each) for key, each in value.items()}
        case _:
            return str(value)


def _iso(moment: datetime) -> str:
    if moment.tzinfo is None:
        return moment.isoformat(timespec="microseconds")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def to_text(table: pa.Table) -> str:
    """A readable table, numbers to the right, nothing cut off, with the number of rows under it."""
    text_table = TextTable(box=SIMPLE_HEAD, show_edge=False)
    for field in table.schema:
        numeric = pa.types.is_decimal(field.type) or pa.types.is_integer(field.type) or pa.types.is_floating(field.type)
        text_table.add_column(Text(field.name), justify="right" if numeric else "left", no_wrap=True)
    columns = [column.to_pylist(maps_as_pydicts="strict") for column in table.columns]
    for values in zip(*columns, strict=True):
        text_table.add_row(*(Text(_cell(value)) for value in values))
    out = StringIO()
    console = Console(file=out, width=100_000, no_color=True)
    console.print(text_table)
    body = "\n".join(line.rstrip() for line in out.getvalue().splitlines())
    return f"{body}\n{table.num_rows:,} row{'' if table.num_rows == 1 else 's'}"


def _cell(value: object) -> str:
    rendered = _json_value(value)
    if rendered is None:
        return ""
    if isinstance(rendered, bool):
        return str(rendered).lower()
    if isinstance(rendered, list | dict):
        return json.dumps(rendered, ensure_ascii=False)
    return str(rendered)
