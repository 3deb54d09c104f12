"""Rows of gold of which only symbol and last id matter."""

from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import schema_to_pyarrow

from firehose_dagster.contracts.trade_tables import GOLD


def append_gold(catalog: Catalog, last_ids: list[tuple[str, int]]) -> None:
    """Append a minute for each `(symbol, last id)`."""
    table = catalog.load_table(GOLD.identifier)
    columns = schema_to_pyarrow(table.schema())
    table.append(pa.Table.from_pylist([_row(columns, symbol, last) for symbol, last in last_ids], schema=columns))


def _row(columns: pa.Schema, symbol: str, last_agg_id: int) -> dict[str, object]:
    """Any minute: of what is not named, something of the right type."""
    examples: list[tuple[object, object]] = [
        (pa.types.is_decimal, Decimal(1)),
        (pa.types.is_timestamp, datetime(2026, 1, 1, tzinfo=UTC)),
        (pa.types.is_boolean, True),
        (pa.types.is_floating, 1.0),
        (pa.types.is_integer, 1),
    ]
    row: dict[str, object] = {}
    for field in columns:
        row[field.name] = next((value for fits, value in examples if callable(fits) and fits(field.type)), "x")
    return {**row, "symbol": symbol, "last_agg_id": last_agg_id}
