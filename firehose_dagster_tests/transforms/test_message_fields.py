"""Fields are read typed where they can be, else one by one from text: which of the two makes no difference."""

import json

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from firehose_dagster.contracts.message import MESSAGE_FIELDS
from firehose_dagster.transforms.message_fields import with_fields
from firehose_dagster_tests.transforms.bad_messages import BAD_MESSAGES, GOOD, TEXT, UNUSUAL_BUT_VALID

pytestmark = pytest.mark.spark

VALUES = (
    *("0", "-0", "1", "-1", "007", "1.0", "1.5", "1e3", "1E400", "NaN", "Infinity", "0x1F", "1_000"),
    *(str(2**63 - 1), str(2**63), str(-(2**63)), str(-(2**63) - 1), "9" * 40),
    *("null", "true", "false", "True", "TRUE", "[]", "[1]", "{}", '{"a":1}'),
    *('""', '" "', '"1"', '" 1"', '"1 "', '"+1"', '"1.0"', '"1e3"', '"true"', '"TRUE"', '"null"', '"x"', '"\\ud800"'),
)
NUMBERS = ("agg_id", "first_trade_id", "last_trade_id", "trade_time", "event_time", "received_at")


def _messages() -> list[str]:
    """Each field with each value, the field twice, and all the messages of the other tests that are text."""
    replaced = [
        TEXT.replace(f'"{name}": {json.dumps(GOOD[name])}', f'"{name}": {value}')
        for name in MESSAGE_FIELDS
        for value in VALUES
    ]
    doubled = [TEXT[:-1] + f', "{name}": {value}}}' for name in MESSAGE_FIELDS for value in VALUES]
    known = [bad.value for bad in BAD_MESSAGES] + [value for _, value in UNUSUAL_BUT_VALID]
    return [*replaced, *doubled, *(value.decode(errors="replace") for value in known if value is not None)]


def test_each_field_is_what_its_text_converts_to_whatever_the_others_are(spark: SparkSession) -> None:
    texts = spark.createDataFrame([(text,) for text in _messages()], "value string").coalesce(2)
    by_text = ", ".join(f"{name} string" for name in MESSAGE_FIELDS)
    found = with_fields(texts).withColumn("texts", f.from_json("value", f"{by_text}"))
    converted = {
        name: f"try_cast(texts.{name} as bigint)"
        if name in NUMBERS
        else f"case texts.{name} when 'true' then true when 'false' then false end"
        if name == "is_buyer_maker"
        else f"texts.{name}"
        for name in MESSAGE_FIELDS
    }
    others = found.where(
        " or ".join(f"not (fields.{name} <=> {expression})" for name, expression in converted.items())
    ).select("value", "fields")
    assert others.toArrow().to_pylist() == []
    assert found.where("fields.agg_id is not null").count() > len(_messages()) / 2
