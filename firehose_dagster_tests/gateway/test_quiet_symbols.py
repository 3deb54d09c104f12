"""What the stream does not bring is found without it: by REST, by other processes, and what is absent is remembered."""

import math
import threading
import time

import pytest

from firehose_dagster.gateway import heal, lake_memory, probe, symbol_watch
from firehose_dagster.gateway.errors import ClockError
from firehose_dagster.gateway.heal_requests import ask, pending
from firehose_dagster.gateway.process import run_gateway
from firehose_dagster.gateway.silence import Tolerance
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.exchange_holes import read_holes
from firehose_dagster_tests.gateway.conftest import Broker, SettingsFor, run_until, running_gateway
from firehose_dagster_tests.gateway.scripted_exchange import PINGS, ScriptedExchange, frame


@pytest.fixture
def _quick_watch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(symbol_watch, "SYMBOL_TOLERANCE", Tolerance(50, 0.3, 10, 0.3))
    monkeypatch.setattr(symbol_watch, "LOOK_EVERY_SECONDS", 0.1)
    monkeypatch.setattr(probe, "LIVE_LEAD_SECONDS", 0.1)


@pytest.mark.usefixtures("_quick_watch")
def test_a_symbol_that_the_stream_forgot_is_found_and_healed_while_another_trades(
    broker: Broker, settings_for: SettingsFor
) -> None:
    frames = [frame("ETHUSDT", 5), *(frame("BTCUSDT", agg_id) for agg_id in range(1, 50))]
    with ScriptedExchange([frames], {"ETHUSDT": [5, 6, 7], "BTCUSDT": list(range(1, 50))}) as exchange:
        run_until(
            settings_for(exchange, symbols="BTCUSDT,ETHUSDT"),
            lambda status: status.healed_ids == 2 and status.probes >= 2,
        )
    held = [record.message["agg_id"] for record in broker.records() if record.key == b"ETHUSDT"]
    assert sorted(held) == [5, 6, 7]


def test_what_another_process_asks_for_is_fetched_though_the_gateway_holds_it(
    broker: Broker, settings_for: SettingsFor
) -> None:
    with ScriptedExchange(
        [[frame("BTCUSDT", agg_id) for agg_id in range(1, 10)]], {"BTCUSDT": list(range(1, 10))}
    ) as exchange:
        settings = settings_for(exchange)
        ask(settings, [("BTCUSDT", 3, 5)])
        with running_gateway(settings, lambda status: status.trades == 9 and status.healed_ids == 3):
            pass
        assert pending(settings) == {}
    assert sorted(record.message["agg_id"] for record in broker.records() if record.message["source"] == "rest") == [
        3,
        4,
        5,
    ]


def test_a_hole_of_the_exchange_is_written_down_and_not_asked_for_after_a_restart(
    broker: Broker, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heal, "CONFIRM_SECONDS", 0.1)
    monkeypatch.setattr(lake_memory, "APPEND_EVERY_SECONDS", 0.1)
    history = {"BTCUSDT": [1, 4]}
    with ScriptedExchange([[frame("BTCUSDT", 1), frame("BTCUSDT", 4)]], history) as exchange:
        settings = settings_for(exchange)
        settings.lake_dir.mkdir(parents=True)
        catalog = open_catalog(settings)
        create_tables(catalog)
        run_until(settings, lambda status: status.absent_ids == 2 and status.gaps_healed == 1)
        assert len(exchange.pages) == 2
    (hole,) = read_holes(catalog.load_table("crypto.ops_exchange_holes"))
    assert (hole.symbol, hole.first_agg_id, hole.last_agg_id, hole.next_agg_id) == ("BTCUSDT", 2, 3, 4)
    history["BTCUSDT"] += [5, 6, 7]
    with ScriptedExchange([[frame("BTCUSDT", 5), frame("BTCUSDT", 7)]], history) as exchange:
        run_until(
            settings_for(exchange),
            lambda status: status.healed_ids == 1 and status.gaps_healed == status.gaps_found,
        )
        assert exchange.pages == [("BTCUSDT", 6)]
    assert sorted(record.message["agg_id"] for record in broker.records()) == [1, 4, 5, 6, 7]


def test_what_rest_has_dropped_is_no_hole_of_the_exchange(
    broker: Broker, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heal, "CONFIRM_SECONDS", 0.1)
    monkeypatch.setattr(lake_memory, "APPEND_EVERY_SECONDS", 0.1)
    frames = [frame("BTCUSDT", 1), frame("BTCUSDT", 9)]
    with ScriptedExchange([frames], {"BTCUSDT": [6, 7, 8, 9]}) as exchange:
        settings = settings_for(exchange)
        settings.lake_dir.mkdir(parents=True)
        catalog = open_catalog(settings)
        create_tables(catalog)
        with running_gateway(settings, lambda status: status.absent_ids + status.unresolved_ids > 0) as status:
            assert (status.absent_ids, status.unresolved_ids, status.missing_ids, status.healed_ids) == (0, 4, 4, 3)
            assert "REST has no BTCUSDT trade before id 6; the archive may" in (status.last_error or "")
        assert exchange.pages == [("BTCUSDT", first) for first in (2, 1, 0)]
    assert read_holes(catalog.load_table("crypto.ops_exchange_holes")) == []
    assert sorted(record.message["agg_id"] for record in broker.records()) == [1, 6, 7, 8, 9]


@pytest.mark.parametrize(("seconds", "text"), [(200, "3 min (19|2[01]) s behind"), (-200, "3 min (19|2[01]) s ahead")])
def test_a_clock_minutes_off_is_said_before_anything_is_collected(
    settings_for: SettingsFor, seconds: int, text: str
) -> None:
    exchange = ScriptedExchange([])
    exchange.clock_us = lambda: time.time_ns() // 1_000 + seconds * 1_000_000
    with exchange, pytest.raises(ClockError, match=f"clock is {text} .*the exchange's.*NTP"):
        run_gateway(settings_for(exchange), threading.Event())
    assert exchange.paths == []


def test_pongs_stay_within_the_five_messages_a_second_and_the_newest_ping_is_answered(
    settings_for: SettingsFor,
) -> None:
    began = time.monotonic()
    with ScriptedExchange([[PINGS, frame("BTCUSDT", 1)]]) as exchange:
        run_until(settings_for(exchange), lambda _: b"29" in exchange.pongs)
        assert len(exchange.pongs) <= 5 * math.ceil(time.monotonic() - began)
        assert len(exchange.pongs) < 30


@pytest.mark.usefixtures("_quick_watch")
def test_what_a_symbol_traded_while_no_gateway_ran_is_fetched_before_it_trades_again(
    broker: Broker, settings_for: SettingsFor
) -> None:
    symbols = "BTCUSDT,ETHUSDT"
    with ScriptedExchange([[frame("ETHUSDT", 5), frame("BTCUSDT", 1)]]) as exchange:
        run_until(settings_for(exchange, symbols=symbols), lambda status: status.trades == 2)
    with ScriptedExchange([[frame("BTCUSDT", 2)]], {"ETHUSDT": list(range(5, 2_506)), "BTCUSDT": [1, 2]}) as exchange:
        run_until(settings_for(exchange, symbols=symbols), lambda status: status.healed_ids == 2_500)
        asked = [first for symbol, first in exchange.pages if symbol == "ETHUSDT"]
    held = sorted(record.message["agg_id"] for record in broker.records() if record.key == b"ETHUSDT")
    assert held == list(range(5, 2_506))
    assert sorted(set(asked)) == [6, 1_006, 2_006]
