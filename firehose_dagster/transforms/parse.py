"""Kafka records -> parsed rows, each with the rules it broke. Nothing in here can fail on any input."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f

from firehose_dagster.contracts.columns import PRICE, QTY, Decimal
from firehose_dagster.contracts.message import MESSAGE_FIELDS
from firehose_dagster.contracts.rules import EARLIEST_TRADE_TIME_US, LATEST_TRADE_TIME_US, RULES, Rule
from firehose_dagster.transforms.message_fields import CORRUPT, with_fields

# The parser stops behind the first object; a second one, or garbage, must not vanish.
_FLAT_OBJECT = r"^\\s*[{][^{}]*[}]\\s*$"
_DECIMALS = {"price": PRICE, "qty": QTY}
_FITTING = {name: next(rule for rule in RULES if rule.name == f"{name}_fits_its_type") for name in _DECIMALS}
"""Judged once, for the decimals are made by them: a column each, of the rule's name."""


def parse(records: DataFrame) -> DataFrame:
    """One row a record, of the Kafka source's shape, with columns:

    the message's fields, typed, null where the text does not convert without loss; `event_ts`, `dt_hour`;
    `value` (the record's text); `reasons` (names of the rules broken, empty for a valid row);
    `kafka_topic`, `kafka_partition`, `kafka_offset`, `kafka_timestamp`.
    """
    text = records.select(
        # No reader of Parquet takes text that is no UTF-8: such bytes become the replacement character.
        f.make_valid_utf8(f.coalesce(f.col("value").cast("string"), f.lit(""))).alias("value"),
        f.col("topic").alias("kafka_topic"),
        f.col("partition").alias("kafka_partition"),
        f.col("offset").alias("kafka_offset"),
        f.col("timestamp").alias("kafka_timestamp"),
    )
    read = with_fields(text).select(
        "*",
        f.expr(f"fields is not null and fields.{CORRUPT} is null and value rlike '{_FLAT_OBJECT}'").alias("is_object"),
        *(f.col(f"fields.{name}").alias(name) for name in MESSAGE_FIELDS if name not in (*_DECIMALS, "received_at")),
        *(_quoted(name).alias(f"{name}_text") for name in _DECIMALS),
        _moment("trade_time").alias("event_ts"),
        _moment("received_at").alias("received_at"),
    )
    fitted = read.select("*", *(f.expr(rule.predicate).alias(rule.name) for rule in _FITTING.values()))
    typed = fitted.select("*", *(_decimal(name, type_).alias(name) for name, type_ in _DECIMALS.items()))
    return typed.select(
        "symbol",
        "agg_id",
        "price",
        "qty",
        "first_trade_id",
        "last_trade_id",
        "is_buyer_maker",
        "trade_time",
        "event_time",
        "event_ts",
        f.date_trunc("hour", "event_ts").alias("dt_hour"),
        "received_at",
        "source",
        "value",
        _reasons().alias("reasons"),
        "kafka_topic",
        "kafka_partition",
        "kafka_offset",
        "kafka_timestamp",
    )


def is_valid() -> Column:
    """Condition on a parsed row: it broke no rule."""
    return f.size("reasons") == 0


def _quoted(name: str) -> Column:
    """The field's text, null where it is a JSON number: Spark's parser takes that through a float."""
    # Our own gateway writes no space there, and to look for a text is ten times as quick as to match a pattern.
    found = f'contains(value, \'"{name}":"\') or value rlike \'"{name}"\\\\s*:\\\\s*"\''
    return f.expr(f"case when {found} then fields.{name} end")


def _decimal(name: str, type_: Decimal) -> Column:
    # A cast alone would round what does not fit.
    number = f"try_cast({name}_text as decimal({type_.precision}, {type_.scale}))"
    return f.expr(f"case when {_FITTING[name].name} then {number} end")


def _moment(name: str) -> Column:
    return f.expr(
        f"case when fields.{name} between {EARLIEST_TRADE_TIME_US} and {LATEST_TRADE_TIME_US - 1} "
        f"then timestamp_micros(fields.{name}) end"
    )


def _reasons() -> Column:
    valid = " and ".join(f"coalesce({_judged(rule)}, false)" for rule in RULES)
    broken = ", ".join(f"case when not coalesce({_judged(rule)}, false) then '{rule.name}' end" for rule in RULES)
    # The table's list has no null in it, which Spark must be able to tell: both branches are compacted.
    none = "array_compact(cast(array() as array<string>))"
    # Nearly every row is valid: the list of names is built only for one that is not.
    return f.expr(f"case when {valid} then {none} else array_compact(array({broken})) end")


def _judged(rule: Rule) -> str:
    holds = rule.name if rule in _FITTING.values() else f"({rule.predicate})"
    return f"(not is_object or {holds})" if rule.needs_object else holds
