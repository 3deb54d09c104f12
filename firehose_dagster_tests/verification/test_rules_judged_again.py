"""The second judgement of the rules, by hand; and where it differs from the stream's, one of the two is wrong."""

import json
import random
from typing import Any

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from firehose_dagster.transforms.parse import parse
from firehose_dagster.verification.rules_judged_again import broken_rules
from firehose_dagster_tests.streams.scenario import records, trade

_ODD: dict[str, list[Any]] = {
    "symbol": [
        None,
        "",
        "A",
        "btcusdt",
        "BTC USDT",
        "A" * 40,
        "A" * 41,
        "币安人生USDT",
        "A_B",
        "ÄÖ",
        "٣٣",
        "BTC\n",
        "ǅA",
    ],
    "agg_id": [None, 0, -1, 2**63 - 1],
    "price": [
        None,
        "",
        "0",
        "-1",
        "0.00000001",
        "0.000000001",
        "1.000000000000",
        "9999999999.99999999",
        "10000000000",
        "1e3",
        ".5",
        "1.",
        "+1",
        " 1",
        "1\n",
        "-0",
        "00001",
        "NaN",
    ],
    "qty": [None, "0", "99999999999", "100000000000", "1.123456789", "-0.1"],
    "first_trade_id": [None, -1, 0, 5],
    "last_trade_id": [None, -1, 0, 4, 5],
    "trade_time": [None, 0, 946_684_799_999_999, 946_684_800_000_000, 4_102_444_799_999_999, 4_102_444_800_000_000],
    "received_at": [None, 0, 946_684_800_000_000],
    "event_time": [None, 0],
    "is_buyer_maker": [None, True],
    "source": [None, "", "ws", "WS", "replay", "disk"],
}


def _broken(**changes: Any) -> tuple[str, ...] | None:
    return broken_rules(json.dumps(trade(1, **changes)))


def test_a_valid_message_breaks_no_rule() -> None:
    assert _broken() == ()


def test_each_rule_that_is_broken_is_named_in_the_order_of_the_list() -> None:
    assert _broken(symbol="x", price="0", qty="abc", source="disk") == (
        "symbol_is_well_formed",
        "price_is_positive",
        "qty_fits_its_type",
        "source_is_known",
    )


def test_a_trade_time_may_be_five_seconds_ahead_of_the_receipt_and_not_more() -> None:
    received_at = trade(1)["received_at"]
    assert _broken(trade_time=received_at + 5_000_000) == ()
    assert _broken(trade_time=received_at + 5_000_001) == ("event_ts_is_not_in_the_future",)


def test_a_text_without_an_object_has_one_reason() -> None:
    assert broken_rules("") == ("message_is_not_empty",)
    assert broken_rules("no trade") == ("message_is_a_flat_json_object",)


@pytest.mark.parametrize(
    "text",
    [
        '{"price": 1',
        '{"a": {}}',
        '{"price": 1.5}',
        '{"agg_id": "7"}',
        '{"agg_id": 1, "agg_id": 2}',
        "{'agg_id': 1}",
        '{"agg_id": 1} {',
        '{"agg_id": 9223372036854775808}',
        '{"agg_id": NaN}',
        '{"symbol": "BTC\\ud800"}',
        '{"AGG_ID": 1, "agg_id": 2}',
    ],
)
def test_a_text_that_spark_may_take_otherwise_is_left_to_spark(text: str) -> None:
    assert broken_rules(text) is None


@pytest.mark.spark
def test_both_judgements_are_the_same_wherever_the_second_is_made(spark: SparkSession) -> None:
    draw = random.Random(20260105)
    messages = [trade(1) | {name: odd} for name, odds in _ODD.items() for odd in odds]
    for _ in range(300):
        changed = draw.sample(sorted(_ODD), draw.randint(2, 5))
        messages.append(trade(draw.randrange(1_000)) | {name: draw.choice(_ODD[name]) for name in changed})
    texts = [json.dumps(message, ensure_ascii=draw.random() < 0.5) for message in messages]
    texts += [json.dumps({name: value for name, value in trade(1).items() if name != gone}) for gone in _ODD]
    texts += ["", "no trade", "[1, 2]", "7", "null"]
    rows = [(0, offset, text.encode()) for offset, text in enumerate(texts)]
    parsed = parse(records(spark, rows, "a topic")).select("kafka_offset", "reasons").toArrow()
    by_spark = {row["kafka_offset"]: tuple(row["reasons"]) for row in pa.table(parsed).to_pylist()}
    judged = {offset: broken for offset, text in enumerate(texts) if (broken := broken_rules(text)) is not None}
    assert len(judged) > len(texts) * 0.9
    assert [
        (texts[offset], by_spark[offset], broken) for offset, broken in judged.items() if by_spark[offset] != broken
    ] == []
