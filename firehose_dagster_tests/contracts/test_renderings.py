"""A column is written once: Spark, pyiceberg and Arrow say the same of it."""

import pyarrow as pa
import pytest
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyspark.sql import types as spark

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.lake.iceberg_schema import schema as iceberg_schema
from firehose_dagster.transforms.spark_schema import schema as spark_schema

_ARROW_OF_SPARK = {"string": "large_string", "bigint": "int64", "int": "int32", "boolean": "bool"}


def _plain(type_: spark.DataType) -> str:
    if isinstance(type_, spark.DecimalType):
        return f"decimal128({type_.precision}, {type_.scale})"
    if isinstance(type_, spark.TimestampType):
        return "timestamp[us, tz=UTC]"
    return _ARROW_OF_SPARK[type_.simpleString()]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_three_renderings_agree_on_names_order_types_and_nullability(table: Table) -> None:
    arrow = schema_to_pyarrow(iceberg_schema(table))
    rendered = spark_schema(table)
    assert tuple(rendered.names) == tuple(arrow.names) == table.column_names
    for column, in_spark, in_arrow in zip(table.columns, rendered.fields, arrow, strict=True):
        assert in_spark.nullable == in_arrow.nullable == (not column.required), column.name
        assert column.doc, column.name
        if isinstance(in_spark.dataType, spark.ArrayType):
            assert pa.types.is_large_list(in_arrow.type) or pa.types.is_list(in_arrow.type)
            assert in_spark.dataType.containsNull == in_arrow.type.value_field.nullable
        elif isinstance(in_spark.dataType, spark.MapType):
            assert in_arrow.type.item_type == pa.int64()
            assert in_spark.dataType.valueContainsNull == in_arrow.type.item_field.nullable
        else:
            assert _plain(in_spark.dataType) == str(in_arrow.type).replace("utf8", "string"), column.name
