"""Contract -> pyiceberg: schema, partition spec and sort order."""

from typing import Any

from pyiceberg.partitioning import PartitionField, PartitionSpec
from pyiceberg.schema import Schema
from pyiceberg.table.sorting import SortField, SortOrder
from pyiceberg.transforms import DayTransform, HourTransform, IdentityTransform, Transform
from pyiceberg.types import (
    BooleanType,
    DecimalType,
    IcebergType,
    IntegerType,
    ListType,
    LongType,
    MapType,
    NestedField,
    StringType,
    TimestamptzType,
)

from firehose_dagster.contracts.columns import ColumnType, Decimal, Scalar
from firehose_dagster.contracts.table import Table

_SCALARS: dict[Scalar, IcebergType] = {
    Scalar.STRING: StringType(),
    Scalar.LONG: LongType(),
    Scalar.INT: IntegerType(),
    Scalar.BOOLEAN: BooleanType(),
    Scalar.TIMESTAMP: TimestamptzType(),
}


def _iceberg_type(type_: ColumnType, nested_id: int) -> IcebergType:
    match type_:
        case Decimal(precision, scale):
            return DecimalType(precision, scale)
        case Scalar.STRING_LIST:
            return ListType(element_id=nested_id, element_type=StringType(), element_required=True)
        case Scalar.LONG_BY_STRING:
            return MapType(
                key_id=nested_id,
                key_type=StringType(),
                value_id=nested_id + 1,
                value_type=LongType(),
                value_required=True,
            )
        case _:
            return _SCALARS[type_]


def schema(table: Table) -> Schema:
    """The table's Iceberg schema; field ids count from 1 in column order, nested ids follow after 1,000."""
    return Schema(
        *(
            NestedField(
                field_id=position,
                name=column.name,
                field_type=_iceberg_type(column.type, 1_000 + 2 * position),
                required=column.required,
                doc=column.doc,
            )
            for position, column in enumerate(table.columns, start=1)
        )
    )


def partition_spec(table: Table) -> PartitionSpec:
    """Hidden partitioning by hour or day; partition field ids count from 1,000, as Iceberg reserves them."""
    transform: Transform[Any, Any] = HourTransform() if table.partition.granularity == "hour" else DayTransform()
    source_id = schema(table).find_field(table.partition.column).field_id
    name = f"{table.partition.column}_{table.partition.granularity}"
    return PartitionSpec(PartitionField(source_id=source_id, field_id=1_000, transform=transform, name=name))


def sort_order(table: Table) -> SortOrder:
    """The order of rows within a file."""
    fields = schema(table)
    return SortOrder(
        *(SortField(source_id=fields.find_field(name).field_id, transform=IdentityTransform()) for name in table.sort)
    )
