"""What a micro-batch holds, in one small aggregate: enough to decide everything about it on the driver."""

from datetime import datetime

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from firehose_dagster.contracts.columns import NOTIONAL, VOLUME
from firehose_dagster.transforms.parse import is_valid
from firehose_dagster.transforms.spark_schema import spark_type

_FIGURES = ("symbol", "agg_id", "price", "qty", "event_ts", "received_at")


def summarise(parsed: DataFrame, watermark: datetime | None) -> DataFrame:
    """One row a (kafka_partition, symbol, minute) of the valid rows, and one a partition, without symbol and minute,
    of the others:

    `rows`, `first_offset`, `last_offset`, `agg_ids` (every id, duplicates too), `late` (rows older than `watermark`),
    `newest_event_us`, `oldest_received_us`, `newest_received_us`, and the columns of `minute_aggregates`. All but the
    first three mean nothing for the rows that are not valid.
    """
    # Figures of the valid rows alone: those of the others may add up to more than a decimal holds.
    figures = parsed.select(
        "kafka_partition", "kafka_offset", *(f.when(is_valid(), f.col(name)).alias(name) for name in _FIGURES)
    ).withColumn("minute", _epoch_minute())
    return figures.groupBy("kafka_partition", "symbol", "minute").agg(
        f.count("*").alias("rows"),
        f.min("kafka_offset").alias("first_offset"),
        f.max("kafka_offset").alias("last_offset"),
        f.collect_list("agg_id").alias("agg_ids"),
        f.count_if(_is_late(watermark)).alias("late"),
        f.max(f.unix_micros("event_ts")).alias("newest_event_us"),
        f.min(f.unix_micros("event_ts")).alias("oldest_event_us"),
        f.min(f.unix_micros("received_at")).alias("oldest_received_us"),
        f.max(f.unix_micros("received_at")).alias("newest_received_us"),
        *minute_aggregates(),
    )


def summarise_inserted(inserted: DataFrame, watermark: datetime | None) -> DataFrame:
    """Rows of silver -> one row: `late`, `newest_event_us` and `oldest_received_us`, as `summarise` has them."""
    return inserted.agg(
        f.count_if(_is_late(watermark)).alias("late"),
        f.max(f.unix_micros("event_ts")).alias("newest_event_us"),
        f.min(f.unix_micros("received_at")).alias("oldest_received_us"),
    )


def silver_minutes(silver: DataFrame) -> DataFrame:
    """Rows of silver -> one row a (symbol, minute), counted from the epoch, with the columns of `minute_aggregates`."""
    return silver.groupBy("symbol", _epoch_minute().alias("minute")).agg(*minute_aggregates())


def minute_aggregates() -> list[Column]:
    """What one minute's trades alone determine, as docs/gold.md defines it."""
    return [
        f.min_by("price", "agg_id").alias("open"),
        f.max("price").alias("high"),
        f.min("price").alias("low"),
        f.max_by("price", "agg_id").alias("close"),
        f.sum("qty").cast(spark_type(VOLUME)).alias("volume"),
        f.sum(f.col("price") * f.col("qty")).cast(spark_type(NOTIONAL)).alias("quote_volume"),
        f.count("*").alias("trades"),
        f.min("agg_id").alias("first_agg_id"),
        f.max("agg_id").alias("last_agg_id"),
    ]


def broken_rules(parsed: DataFrame) -> DataFrame:
    """Rows that broke each rule: `rule`, `rows`."""
    return (
        parsed.where(~is_valid())
        .select(f.explode("reasons").alias("rule"))
        .groupBy("rule")
        .agg(f.count("*").alias("rows"))
    )


def _epoch_minute() -> Column:
    return f.expr("unix_micros(event_ts) div 60000000")


def _is_late(watermark: datetime | None) -> Column:
    return f.lit(False) if watermark is None else f.col("event_ts") < f.lit(watermark)
