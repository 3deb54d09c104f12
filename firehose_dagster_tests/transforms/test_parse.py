"""Nothing in the topic fails the parser: each record is valid, or says exactly what is wrong with it."""

import json
from typing import Any

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.rules import CONFLICT_RULE, RULE_NAMES
from firehose_dagster.transforms.parse import is_valid, parse
from firehose_dagster_tests.streams.scenario import records
from firehose_dagster_tests.transforms.bad_messages import BAD_MESSAGES, GOOD, UNUSUAL_BUT_VALID

pytestmark = pytest.mark.spark


def _parsed(spark: SparkSession, values: list[bytes | None], *columns: str) -> list[dict[str, Any]]:
    rows = parse(records(spark, [(0, offset, value) for offset, value in enumerate(values)], "trades"))
    chosen = rows.withColumn("valid", is_valid()).orderBy("kafka_offset").selectExpr(*columns)
    found: list[dict[str, Any]] = chosen.toArrow().to_pylist()
    return found


def test_each_bad_message_is_said_to_break_exactly_the_rules_it_breaks(spark: SparkSession) -> None:
    found = _parsed(spark, [bad.value for bad in BAD_MESSAGES], "reasons", "valid")
    assert len(found) == len(BAD_MESSAGES)
    expected = {bad.name: bad.reasons for bad in BAD_MESSAGES}
    assert dict(zip(expected, (row["reasons"] for row in found), strict=True)) == expected
    assert not any(row["valid"] for row in found)


def test_every_rule_is_broken_by_some_bad_message() -> None:
    broken = {reason for bad in BAD_MESSAGES for reason in bad.reasons}
    assert broken == set(RULE_NAMES) - {CONFLICT_RULE}


def test_unusual_messages_that_lose_nothing_are_valid(spark: SparkSession) -> None:
    found = _parsed(spark, [value for _, value in UNUSUAL_BUT_VALID], "reasons")
    assert {
        name: row["reasons"] for (name, _), row in zip(UNUSUAL_BUT_VALID, found, strict=True) if row["reasons"]
    } == {}


def test_a_symbol_with_a_line_break_at_its_end_is_refused(spark: SparkSession) -> None:
    value = json.dumps({**GOOD, "symbol": "BTCUSDT\n"}).encode()
    assert _parsed(spark, [value], "reasons") == [{"reasons": ["symbol_is_well_formed"]}]


def test_a_valid_message_is_typed_without_loss(spark: SparkSession) -> None:
    (row,) = _parsed(
        spark,
        [UNUSUAL_BUT_VALID[0][1]],
        "symbol",
        "agg_id",
        "cast(price as string) price",
        "cast(qty as string) qty",
        "first_trade_id",
        "last_trade_id",
        "unix_micros(event_ts) trade_time",
        "event_time",
        "unix_micros(received_at) received_at",
        "is_buyer_maker",
        "source",
    )
    assert row == {**GOOD, "price": "100.50000000", "qty": "0.25000000"}


def test_a_price_that_does_not_fit_is_null_and_not_rounded(spark: SparkSession) -> None:
    value = json.dumps({**GOOD, "price": "1.123456789"}).encode()
    assert _parsed(spark, [value], "price", "reasons") == [{"price": None, "reasons": ["price_fits_its_type"]}]


def test_a_record_that_cannot_be_read_keeps_its_text_and_coordinates(spark: SparkSession) -> None:
    (_, row) = _parsed(spark, [b"{}", b"hello"], "value", "kafka_topic", "kafka_partition", "kafka_offset", "agg_id")
    assert row == {
        "value": "hello",
        "kafka_topic": "trades",
        "kafka_partition": 0,
        "kafka_offset": 1,
        "agg_id": None,
    }
