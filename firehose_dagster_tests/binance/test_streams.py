"""Connections planned for symbols: every symbol once, within the exchange's limits."""

import json

import pytest

from firehose_dagster.binance.limits import MAX_STREAMS_PER_CONNECTION
from firehose_dagster.binance.streams import plan_connections, subscribe_message

BASE = "wss://data-stream.binance.vision"


def test_a_short_list_stands_in_the_url() -> None:
    (plan,) = plan_connections(BASE + "/", ["BTCUSDT", "1INCHUSDT"])
    assert plan.url == f"{BASE}/stream?streams=btcusdt@aggTrade/1inchusdt@aggTrade&timeUnit=MICROSECOND"
    assert plan.messages == ()


def test_letters_beyond_ascii_are_percent_encoded() -> None:
    (plan,) = plan_connections(BASE, ["币USDT"])
    assert plan.url == f"{BASE}/stream?streams=%E5%B8%81usdt@aggTrade&timeUnit=MICROSECOND"


def test_a_symbol_named_twice_is_subscribed_once() -> None:
    (plan,) = plan_connections(BASE, ["BTCUSDT", "BTCUSDT"])
    assert plan.symbols == ("BTCUSDT",)


def test_a_long_list_is_subscribed_by_message_over_several_connections() -> None:
    symbols = [f"S{number}USDT" for number in range(2_500)]
    plans = plan_connections(BASE, symbols)
    assert [len(plan.symbols) for plan in plans] == [1_024, 1_024, 452]
    assert all(plan.url == f"{BASE}/stream?timeUnit=MICROSECOND" for plan in plans)
    subscribed = [stream for plan in plans for message in plan.messages for stream in json.loads(message)["params"]]
    assert subscribed == [f"s{number}usdt@aggTrade" for number in range(2_500)]
    assert all(len(plan.symbols) <= MAX_STREAMS_PER_CONNECTION for plan in plans)


def test_a_subscribe_message_is_what_the_exchange_documents() -> None:
    assert json.loads(subscribe_message(["btcusdt@aggTrade"], 7)) == {
        "method": "SUBSCRIBE",
        "params": ["btcusdt@aggTrade"],
        "id": 7,
    }


def test_fewer_symbols_a_connection_are_more_connections_and_more_than_allowed_is_refused() -> None:
    plans = plan_connections("ws://x", ["A", "B", "C", "A"], symbols_per_connection=2)
    assert [plan.symbols for plan in plans] == [("A", "B"), ("C",)]
    with pytest.raises(ValueError, match="1 to 1,024 streams, not 1025"):
        plan_connections("ws://x", ["A"], symbols_per_connection=1_025)
