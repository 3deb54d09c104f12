"""How a column of the lake looks in an answer: one rule for every table, as SQL and as a type of the OpenAPI schema."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, Field, create_model

from firehose_dagster.contracts.columns import Column, ColumnType, Decimal, Scalar
from firehose_dagster.contracts.table import Table

Row = dict[str, Any]

_INSTANT_FORMAT = "%Y-%m-%dT%H:%M:%S.%fZ"
INSTANT_PATTERN = r"^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}\.\d{6}Z$"
DECIMAL_PATTERN = r"^-?\d+(\.\d+)?$"

Instant = Annotated[
    str, Field(pattern=INSTANT_PATTERN, json_schema_extra={"format": "date-time"}, description="UTC, microseconds.")
]
DecimalText = Annotated[str, Field(pattern=DECIMAL_PATTERN)]
SnapshotId = Annotated[str, Field(pattern=r"^\d+$")]

_SCALARS: dict[Scalar, Any] = {
    Scalar.STRING: str,
    Scalar.LONG: int,
    Scalar.INT: int,
    Scalar.BOOLEAN: bool,
    Scalar.TIMESTAMP: Instant,
    Scalar.STRING_LIST: list[str],
    Scalar.LONG_BY_STRING: dict[str, int],
}


def instant(moment: datetime) -> str:
    """2026-01-01T10:15:00.000000Z."""
    return moment.astimezone(UTC).strftime(_INSTANT_FORMAT)


def shown(column: Column) -> str:
    """The SQL expression whose value is the column's JSON value."""
    quoted = f'"{column.name}"'
    if isinstance(column.type, Decimal) or _is_snapshot_id(column):
        return f"CAST({quoted} AS VARCHAR)"
    if column.type is Scalar.TIMESTAMP:
        return f"strftime({quoted}, '{_INSTANT_FORMAT}')"
    return quoted


def json_row(table: Table) -> str:
    """The SQL expression whose value is the whole row as a JSON object, the columns in their order."""
    fields = ", ".join(f'"{column.name}" := {shown(column)}' for column in table.columns)
    return f"to_json(struct_pack({fields}))::VARCHAR"


def row_model(name: str, table: Table, **added: Any) -> type[BaseModel]:
    """The schema of a row of the table, with further fields; the descriptions are the contract's."""
    columns: dict[str, Any] = {
        column.name: (
            _type(column) if column.required else _type(column) | None,
            Field(description=column.doc),
        )
        for column in table.columns
    }
    return create_model(name, __doc__=table.doc, **(columns | added))


def _type(column: Column) -> Any:
    return SnapshotId if _is_snapshot_id(column) else _column_type(column.type)


def _column_type(type_: ColumnType) -> Any:
    return DecimalText if isinstance(type_, Decimal) else _SCALARS[type_]


def _is_snapshot_id(column: Column) -> bool:
    """Snapshot ids use all 63 bits: more than a double holds, and JSON numbers are doubles to many readers."""
    return bool(re.fullmatch(r".*snapshot_id", column.name)) and column.type is Scalar.LONG
