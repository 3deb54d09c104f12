"""The whole gateway between a scripted exchange and a broker in the test process."""

import json
import os
import threading

import pytest

from firehose_dagster.gateway import heal
from firehose_dagster.gateway.errors import GatewayAlreadyRunningError, UnknownSymbolsError
from firehose_dagster.gateway.process import run_gateway
from firehose_dagster.gateway.status import read_status
from firehose_dagster_tests.gateway.conftest import Broker, Record, SettingsFor, run_until, running_gateway
from firehose_dagster_tests.gateway.scripted_exchange import CLOSE, ScriptedExchange, frame


def _ids(records: list[Record], symbol: str = "BTCUSDT", source: str | None = None) -> list[int]:
    messages = [record.message for record in records if record.key == symbol.encode()]
    return [message["agg_id"] for message in messages if source in (None, message["source"])]


def test_a_trade_arrives_with_full_names_keyed_by_its_symbol(broker: Broker, settings_for: SettingsFor) -> None:
    with ScriptedExchange([[frame("BTCUSDT", 7)]]) as exchange:
        run_until(settings_for(exchange), lambda status: status.trades == 1 and bool(exchange.pongs))
        assert exchange.paths == ["/stream?streams=btcusdt@aggTrade&timeUnit=MICROSECOND"]
        assert exchange.pongs == [b"1767225600"]
    (record,) = broker.records()
    message = record.message
    received_at = message.pop("received_at")
    assert received_at > 1_767_225_600_000_000
    assert record.key == b"BTCUSDT"
    assert message == {
        "symbol": "BTCUSDT",
        "agg_id": 7,
        "price": "107.50000000",
        "qty": "0.25000000",
        "first_trade_id": 14,
        "last_trade_id": 15,
        "trade_time": 1_767_225_600_000_007,
        "event_time": 1_767_225_600_000_507,
        "is_buyer_maker": False,
        "source": "ws",
    }


def test_all_trades_of_a_symbol_share_a_partition_in_their_order(broker: Broker, settings_for: SettingsFor) -> None:
    frames = [frame(symbol, agg_id) for agg_id in range(1, 501) for symbol in ("BTCUSDT", "ETHUSDT")]
    with ScriptedExchange([frames]) as exchange:
        run_until(settings_for(exchange, symbols="BTCUSDT,ETHUSDT"), lambda status: status.trades == 1_000)
    records = broker.records()
    assert _ids(records, "BTCUSDT") == list(range(1, 501))
    assert _ids(records, "ETHUSDT") == list(range(1, 501))


def test_a_skipped_id_is_fetched_and_only_that(broker: Broker, settings_for: SettingsFor) -> None:
    frames = [frame("BTCUSDT", agg_id) for agg_id in (10, 11, 14, 15)]
    with ScriptedExchange([frames], {"BTCUSDT": list(range(1, 16))}) as exchange:
        with running_gateway(settings_for(exchange), lambda status: status.gaps_healed == 1) as status:
            assert (status.gaps_found, status.healed_ids, status.missing_ids) == (1, 2, 0)
        assert exchange.pages == [("BTCUSDT", 12)]
        assert exchange.headers[0]["X-MBX-TIME-UNIT"] == "MICROSECOND"
    records = broker.records()
    assert sorted(_ids(records)) == [10, 11, 12, 13, 14, 15]
    assert sorted(_ids(records, source="rest")) == [12, 13]
    healed = next(record.message for record in records if record.message["agg_id"] == 12)
    assert healed["event_time"] is None
    assert (healed["price"], healed["trade_time"]) == ("112.50000000", 1_767_225_600_000_012)


def test_trades_lost_while_disconnected_are_fetched_page_by_page(broker: Broker, settings_for: SettingsFor) -> None:
    scripts = [[frame("BTCUSDT", 1), CLOSE], [frame("BTCUSDT", 2_502)]]
    with ScriptedExchange(scripts, {"BTCUSDT": list(range(1, 2_503))}) as exchange:
        with running_gateway(settings_for(exchange), lambda status: status.gaps_healed == 1) as status:
            assert status.reconnects == 1
            assert status.last_error is not None
            assert "1001 maintenance" in status.last_error
        assert sorted(first for _, first in exchange.pages) == [2, 502, 1_502]
    assert sorted(_ids(broker.records())) == list(range(1, 2_503))


def test_a_restart_heals_what_was_lost_meanwhile_and_holes_the_tail_shows(
    broker: Broker, settings_for: SettingsFor
) -> None:
    history = {"BTCUSDT": list(range(1, 21)), "ETHUSDT": list(range(1, 21))}
    with ScriptedExchange([[frame("BTCUSDT", 5), frame("BTCUSDT", 6)]]) as exchange:
        run_until(settings_for(exchange), lambda status: status.trades == 2)
    last = broker.records()[-1]
    # As after a crash: 9 came, and the heal of 7 and 8 did not happen.
    broker.produce(json.dumps({**last.message, "agg_id": 9}).encode(), "BTCUSDT")
    # An old row that was healed: nothing is known of what lies between it and the tail.
    broker.produce(json.dumps({**last.message, "agg_id": 2, "source": "rest"}).encode(), "BTCUSDT")
    broker.produce(b"not json")
    with ScriptedExchange([[frame("BTCUSDT", 15), frame("ETHUSDT", 20)]], history) as exchange:
        settings = settings_for(exchange, symbols="BTCUSDT,ETHUSDT")
        run_until(settings, lambda status: status.gaps_healed == 2)
    records = [record for record in broker.records() if record.key is not None]
    assert sorted(_ids(records)) == [2, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]
    assert _ids(records, "ETHUSDT") == [20], "a symbol new to the topic begins at its first live trade"


def test_ids_that_the_exchange_left_out_twice_are_not_asked_for_again(
    broker: Broker, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heal, "CONFIRM_SECONDS", 0.1)
    frames = [frame("BTCUSDT", agg_id) for agg_id in (1, 6)]
    with ScriptedExchange([frames], {"BTCUSDT": [1, 3, 6]}) as exchange:
        with running_gateway(settings_for(exchange), lambda status: status.gaps_healed == 1) as status:
            assert (status.healed_ids, status.absent_ids, status.missing_ids) == (1, 3, 0)
        assert exchange.pages == [("BTCUSDT", 2), ("BTCUSDT", 1)], "the second time from the id below"
    assert sorted(_ids(broker.records())) == [1, 3, 6]


def test_the_heal_waits_as_long_as_the_exchange_asks(broker: Broker, settings_for: SettingsFor) -> None:
    frames = [frame("BTCUSDT", agg_id) for agg_id in (1, 3)]
    with ScriptedExchange([frames], {"BTCUSDT": [1, 2, 3]}) as exchange:
        exchange.refusals.append((429, {"Retry-After": "1"}))
        with running_gateway(settings_for(exchange), lambda status: status.gaps_healed == 1) as status:
            assert status.last_error is not None
            assert "answered 429" in status.last_error
        assert len(exchange.pages) == 2
    assert sorted(_ids(broker.records())) == [1, 2, 3]


def test_what_cannot_be_read_goes_to_the_topic_as_it_came(broker: Broker, settings_for: SettingsFor) -> None:
    wrong_type = frame("BTCUSDT", 2, p=1.5)
    other = b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","s":"BTCUSDT"}}'
    frames = [frame("BTCUSDT", 1), b"not json", wrong_type, other, frame("BTCUSDT", 3)]
    with (
        ScriptedExchange([frames], {"BTCUSDT": [1, 2, 3]}) as exchange,
        running_gateway(settings_for(exchange), lambda status: status.gaps_healed == 1) as status,
    ):
        assert (status.frames, status.trades, status.unparsable, status.by_kind) == (5, 2, 2, {"kline": 1})
    records = broker.records()
    assert sorted(record.value for record in records if record.key is None) == sorted([b"not json", wrong_type])
    assert sorted(_ids([record for record in records if record.key])) == [1, 2, 3]


def test_a_repeated_trade_is_produced_again_and_opens_no_gap(broker: Broker, settings_for: SettingsFor) -> None:
    frames = [frame("BTCUSDT", agg_id) for agg_id in (5, 6, 5, 7, 6, 8)]
    with (
        ScriptedExchange([frames]) as exchange,
        running_gateway(settings_for(exchange), lambda status: status.trades == 6) as status,
    ):
        assert status.gaps_found == 0
    assert _ids(broker.records()) == [5, 6, 5, 7, 6, 8]


def test_many_symbols_are_subscribed_by_message(broker: Broker, settings_for: SettingsFor) -> None:
    symbols = [f"S{number}USDT" for number in range(60)]
    with ScriptedExchange([]) as exchange:
        exchange.statuses = dict.fromkeys(symbols, "TRADING")
        run_until(settings_for(exchange, symbols="ALL"), lambda status: bool(exchange.messages))
        assert exchange.paths == ["/stream?timeUnit=MICROSECOND"]
        assert exchange.messages[0]["method"] == "SUBSCRIBE"
        assert sorted(exchange.messages[0]["params"]) == sorted(f"{symbol.lower()}@aggTrade" for symbol in symbols)


def test_a_symbol_that_the_exchange_never_listed_is_refused_by_name(settings_for: SettingsFor) -> None:
    with ScriptedExchange([]) as exchange:
        settings = settings_for(exchange, symbols="BTCUSDT,NOPEUSDT,OLDUSDT")
        with pytest.raises(UnknownSymbolsError, match="does not list NOPEUSDT, and no trade of them is held"):
            run_gateway(settings, threading.Event())
        assert exchange.paths == []
    status = read_status(settings)
    assert status is not None
    assert status.state == "failed"
    assert "NOPEUSDT" in (status.last_error or "")


def test_a_second_gateway_on_the_same_home_is_refused_with_the_pid_of_the_first(settings_for: SettingsFor) -> None:
    with ScriptedExchange([]) as exchange:
        settings = settings_for(exchange)
        with (
            running_gateway(settings, lambda status: status.connections == 1),
            pytest.raises(GatewayAlreadyRunningError, match=f"pid {os.getpid()}"),
        ):
            run_gateway(settings, threading.Event())


def test_after_a_clean_stop_the_status_says_that_all_was_delivered(broker: Broker, settings_for: SettingsFor) -> None:
    with ScriptedExchange([[frame("BTCUSDT", agg_id) for agg_id in range(3_000)]]) as exchange:
        settings = settings_for(exchange)
        run_until(settings, lambda status: status.frames > 0)
    status = read_status(settings)
    assert status is not None
    assert (status.state, status.outstanding, status.connections) == ("stopped", 0, 0)
    assert status.delivered == status.produced == len(broker.records())
    assert status.last_trade_at is not None


def test_a_stop_while_the_broker_is_away_ends_the_wait(settings_for: SettingsFor) -> None:
    with ScriptedExchange([]) as exchange:
        settings = settings_for(exchange, kafka_bootstrap="127.0.0.1:1")
        run_until(settings, lambda status: status.symbols == 1)
        assert exchange.paths == []
