"""Contract -> Spark: types and schemas."""

from pyspark.sql import types as spark

from firehose_dagster.contracts.columns import ColumnType, Decimal, Scalar
from firehose_dagster.contracts.table import Table

_SCALARS: dict[Scalar, spark.DataType] = {
    Scalar.STRING: spark.StringType(),
    Scalar.LONG: spark.LongType(),
    Scalar.INT: spark.IntegerType(),
    Scalar.BOOLEAN: spark.BooleanType(),
    Scalar.TIMESTAMP: spark.TimestampType(),
    Scalar.STRING_LIST: spark.ArrayType(spark.StringType(), containsNull=False),
    Scalar.LONG_BY_STRING: spark.MapType(spark.StringType(), spark.LongType(), valueContainsNull=False),
}


def spark_type(type_: ColumnType) -> spark.DataType:
    """The Spark type of a column type."""
    return spark.DecimalType(type_.precision, type_.scale) if isinstance(type_, Decimal) else _SCALARS[type_]


def schema(table: Table) -> spark.StructType:
    """The table's schema as Spark reads it: names, types and nullability in table order."""
    return spark.StructType(
        [spark.StructField(column.name, spark_type(column.type), not column.required) for column in table.columns]
    )
