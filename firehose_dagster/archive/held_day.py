"""What the lake holds of one symbol around one day, as DuckDB views beside the day's file."""

from datetime import timedelta

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.expressions import BooleanExpression

from firehose_dagster.archive.day_table import day_bounds
from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import QUARANTINE, SILVER
from firehose_dagster.lake.duckdb_view import duckdb_type, make_empty_view, make_view
from firehose_dagster.lake.iceberg_schema import schema
from firehose_dagster.lake.row_filters import all_of, at_least, below, equals

MARGIN = timedelta(hours=1)
"""A trade just before midnight may be filed under the next day, by a source with another clock or time unit."""


def view_held_day(connection: duckdb.DuckDBPyConnection, catalog: Catalog, day: ArchiveDay) -> int | None:
    """Make the views `silver` and `quarantine` of the day's symbol, an hour more on both sides; files of other hours
    and symbols are not opened.

    Returns silver's snapshot, None where it has none. A table that was never made is empty.
    """
    start, end = day_bounds(day)
    files = all_of(
        equals("symbol", day.symbol),
        at_least("event_ts", (start - MARGIN).isoformat()),
        below("event_ts", (end + MARGIN).isoformat()),
    )
    _view(connection, catalog, QUARANTINE, "quarantine", day, files)
    return _view(connection, catalog, SILVER, "silver", day, files)


def _view(
    connection: duckdb.DuckDBPyConnection,
    catalog: Catalog,
    contract: Table,
    name: str,
    day: ArchiveDay,
    files: BooleanExpression,
) -> int | None:
    snapshot_id = None
    try:
        table = catalog.load_table(contract.identifier)
    except NoSuchTableError:
        types = {field.name: duckdb_type(field.field_type) for field in schema(contract).fields}
        make_empty_view(connection, f"{name}_files", types)
    else:
        snapshot = table.current_snapshot()
        snapshot_id = None if snapshot is None else snapshot.snapshot_id
        make_view(connection, f"{name}_files", table, snapshot_id, files)
    # DuckDB takes no parameter in a view's definition.
    connection.execute("SET VARIABLE day_symbol = ?", [day.symbol])
    connection.execute(
        f"CREATE VIEW {name} AS SELECT * FROM {name}_files WHERE symbol = getvariable('day_symbol')"  # noqa: S608 constants
    )
    return snapshot_id
