"""Parsed rows -> the rows of bronze, silver and quarantine. Each ends in one select: the table's contract."""

from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from firehose_dagster.contracts.rules import CONFLICT_RULE
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.transforms.parse import is_valid
from firehose_dagster.transforms.spark_schema import spark_type

COORDINATES = ("kafka_partition", "kafka_offset")


def bronze_rows(parsed: DataFrame) -> DataFrame:
    """Every record; its text is kept where a rule was broken, for then the columns do not say it all."""
    return _as_contract(parsed.withColumn("raw", f.when(~is_valid(), f.col("value"))), BRONZE)


def silver_rows(parsed: DataFrame, excluded: DataFrame | None) -> DataFrame:
    """The valid rows but those at the Kafka coordinates in `excluded` (duplicates and conflicts)."""
    valid = parsed.where(is_valid())
    if excluded is not None:
        valid = valid.join(f.broadcast(excluded), list(COORDINATES), "left_anti")
    return _as_contract(valid, SILVER)


def quarantine_rows(parsed: DataFrame, conflicts: DataFrame | None, rejected_at: datetime) -> DataFrame:
    """The rows that broke a rule, and those at the coordinates in `conflicts`, whose id is held with other content."""
    broken = parsed.where(~is_valid())
    if conflicts is not None:
        clashing = parsed.where(is_valid()).join(f.broadcast(conflicts), list(COORDINATES), "left_semi")
        broken = broken.unionByName(clashing.withColumn("reasons", f.array(f.lit(CONFLICT_RULE))))
    stamped = broken.withColumn("raw", f.col("value")).withColumn("rejected_at", f.lit(rejected_at))
    return _as_contract(stamped, QUARANTINE)


def _as_contract(rows: DataFrame, table: Table) -> DataFrame:
    return rows.select(
        [f.col(column.name).cast(spark_type(column.type)).alias(column.name) for column in table.columns]
    )
