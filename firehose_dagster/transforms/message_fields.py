"""A message's JSON -> its fields, each of its type. Nothing in here can fail on any text."""

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as f
from pyspark.sql.types import BooleanType, LongType, StringType, StructField, StructType

from firehose_dagster.contracts.message import MESSAGE_FIELDS

CORRUPT = "corrupt_text"
_OPTIONS = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": CORRUPT}
_NUMBERS = ("agg_id", "first_trade_id", "last_trade_id", "trade_time", "event_time", "received_at")
_FLAG = "is_buyer_maker"
_TEXTS = StructType([StructField(name, StringType()) for name in (*MESSAGE_FIELDS, CORRUPT)])
_TYPED = StructType(
    [
        StructField(name, LongType() if name in _NUMBERS else BooleanType() if name == _FLAG else StringType())
        for name in _TEXTS.names
    ]
)


def with_fields(texts: DataFrame) -> DataFrame:
    """Adds `fields` to rows with `value`, a text: a struct of the message's fields, the numbers as bigint, the flag as
    boolean, the others as text, and `corrupt_text`.

    A field is null where it is not there or its text does not convert without loss, which neither hides nor alters the
    others. `fields` is null, or `corrupt_text` in it is not, where the text does not begin with a JSON object.
    """
    # Spark's parser takes nothing but an integer that fits for a bigint, and nothing but true and false for a boolean.
    # Where it has no complaint the fields are what a conversion from text would make of them, without the texts, which
    # are a third of the parser's work. The others are read again, each field as text, and converted one by one.
    typed = texts.withColumn("typed", f.from_json("value", _TYPED, _OPTIONS))
    is_whole = f.col(f"typed.{CORRUPT}").isNull() & f.col("typed").isNotNull()
    again = typed.withColumn("again", f.when(~is_whole, f.from_json("value", _TEXTS, _OPTIONS)))
    converted = f.struct(*(_converted(name).alias(name) for name in _TEXTS.names))
    fields = f.when(is_whole, f.col("typed")).when(f.col("again").isNotNull(), converted)
    return again.withColumn("fields", fields).drop("typed", "again")


def _converted(name: str) -> Column:
    if name in _NUMBERS:
        return f.expr(f"try_cast(again.{name} as bigint)")
    if name == _FLAG:
        return f.expr(f"case again.{name} when 'true' then true when 'false' then false end")
    return f.col(f"again.{name}")
