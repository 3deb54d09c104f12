"""Rows of bronze -> parsed rows, as if their Kafka records were read again: bronze alone can rebuild all behind it."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as f

from firehose_dagster.contracts.message import MESSAGE_FIELDS
from firehose_dagster.transforms.parse import parse


def parsed_again(bronze: DataFrame) -> DataFrame:
    """The shape of `parse`.

    A row that had broken a rule is parsed from its text; of a valid one the columns say it all, and `value` is its
    message written anew.
    """
    broken = bronze.where(f.col("raw").isNotNull()).select(
        f.col("raw").cast("binary").alias("value"),
        f.col("kafka_topic").alias("topic"),
        f.col("kafka_partition").alias("partition"),
        f.col("kafka_offset").alias("offset"),
        f.col("kafka_timestamp").alias("timestamp"),
    )
    again = parse(broken)
    fields = {
        **{name: f.col(name) for name in MESSAGE_FIELDS},
        "price": f.col("price").cast("string"),
        "qty": f.col("qty").cast("string"),
        "received_at": f.unix_micros("received_at"),
    }
    valid = (
        bronze.where(f.col("raw").isNull())
        .withColumn("value", f.to_json(f.struct(*(fields[name].alias(name) for name in MESSAGE_FIELDS))))
        .withColumn("reasons", f.expr("array_compact(cast(array() as array<string>))"))
    )
    return valid.select(*again.columns).unionByName(again)
