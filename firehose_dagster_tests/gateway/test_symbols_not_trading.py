"""A symbol that the exchange halts or delists keeps no other from being collected."""

import logging
import threading

import pytest

from firehose_dagster.gateway.errors import NoSymbolLeftError, UnknownSymbolsError
from firehose_dagster.gateway.process import run_gateway
from firehose_dagster.gateway.symbols import SymbolChoice, choose_symbols
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster_tests.gateway.conftest import Broker, SettingsFor, run_until, running_gateway
from firehose_dagster_tests.gateway.gold_rows import append_gold
from firehose_dagster_tests.gateway.scripted_exchange import ScriptedExchange, frame

LISTED = {"BTCUSDT": "TRADING", "ETHUSDT": "HALT", "OLDUSDT": "BREAK"}


def _held(symbol: str, agg_id: int) -> bytes:
    return b'{"symbol":"%s","agg_id":%d,"source":"ws"}' % (symbol.encode(), agg_id)


def test_a_halted_symbol_is_subscribed_and_collected_once_it_trades_again(
    broker: Broker, settings_for: SettingsFor
) -> None:
    with ScriptedExchange([[frame("BTCUSDT", 1), frame("OLDUSDT", 5)]]) as exchange:
        settings = settings_for(exchange, symbols="BTCUSDT,OLDUSDT")
        with running_gateway(settings, lambda status: status.trades == 2) as status:
            assert (status.symbols, status.last_error) == (2, None)
        assert exchange.paths == ["/stream?streams=btcusdt@aggTrade/oldusdt@aggTrade&timeUnit=MICROSECOND"]
    assert {record.key for record in broker.records()} == {b"BTCUSDT", b"OLDUSDT"}


def test_a_symbol_that_did_not_trade_at_the_start_is_told_until_it_does(
    settings_for: SettingsFor, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedExchange([[frame("BTCUSDT", 1)]]) as exchange, caplog.at_level(logging.WARNING):
        settings = settings_for(exchange, symbols="BTCUSDT,OLDUSDT")
        with running_gateway(settings, lambda status: status.trades == 1) as status:
            assert status.last_error == (
                "not trading: OLDUSDT (status BREAK). Subscribed all the same, and collected once trading goes on."
            )
    told = [record.getMessage() for record in caplog.records if "event=symbols_not_trading" in record.getMessage()]
    assert told == ["event=symbols_not_trading symbols=OLDUSDT (status BREAK)"]


@pytest.mark.parametrize("memory", ["topic", "lake"])
def test_a_delisted_symbol_whose_trades_are_held_is_left_out_and_the_others_are_collected(
    broker: Broker, settings_for: SettingsFor, caplog: pytest.LogCaptureFixture, memory: str
) -> None:
    with ScriptedExchange([[frame("BTCUSDT", 1)]]) as exchange, caplog.at_level(logging.WARNING):
        settings = settings_for(exchange, symbols="GONEUSDT,BTCUSDT")
        if memory == "topic":
            for agg_id in (3, 5):
                broker.produce(_held("GONEUSDT", agg_id), "GONEUSDT")
        else:
            settings.lake_dir.mkdir(parents=True)
            catalog = open_catalog(settings)
            create_tables(catalog)
            append_gold(catalog, [("GONEUSDT", 5)])
        with running_gateway(settings, lambda status: status.trades == 1) as status:
            assert (status.symbols, status.gaps_found) == (1, 0), "what REST will refuse is not asked for"
            assert status.last_error == (
                "left out, for the exchange does not list them: GONEUSDT. Correct FIREHOSE_SYMBOLS (--symbols)."
            )
        assert exchange.paths == ["/stream?streams=btcusdt@aggTrade&timeUnit=MICROSECOND"]
        assert exchange.pages == []
    told = [record.getMessage() for record in caplog.records if "event=symbols_left_out" in record.getMessage()]
    assert told == ["event=symbols_left_out symbols=GONEUSDT"]


def test_a_name_that_nobody_knows_is_refused_though_others_trade(broker: Broker, settings_for: SettingsFor) -> None:
    broker.produce(_held("GONEUSDT", 3), "GONEUSDT")
    with ScriptedExchange([]) as exchange:
        settings = settings_for(exchange, symbols="BTCUSDT,GONEUSDT,OLDUSDT,NOPEUSDT")
        with pytest.raises(
            UnknownSymbolsError, match=r"does not list NOPEUSDT, and no trade .* held.*Correct FIREHOSE_SYMBOLS"
        ):
            run_gateway(settings, threading.Event())
        assert exchange.paths == []


def test_a_gateway_with_delisted_symbols_alone_is_refused_before_it_waits_for_a_broker(
    settings_for: SettingsFor,
) -> None:
    with ScriptedExchange([]) as exchange:
        settings = settings_for(exchange, symbols="GONEUSDT,NOPEUSDT", kafka_bootstrap="127.0.0.1:1")
        with pytest.raises(NoSymbolLeftError, match=r"lists none of GONEUSDT, NOPEUSDT.*Correct FIREHOSE_SYMBOLS"):
            run_gateway(settings, threading.Event())


def test_a_halted_symbol_alone_is_waited_for(settings_for: SettingsFor) -> None:
    with ScriptedExchange([[frame("OLDUSDT", 5)]]) as exchange:
        run_until(settings_for(exchange, symbols="OLDUSDT"), lambda status: status.trades == 1)


def test_each_symbol_is_collected_once_in_the_order_given() -> None:
    choice = choose_symbols(["ETHUSDT", "BTCUSDT", "ETHUSDT"], LISTED, known=(), url="url")
    assert choice == SymbolChoice(("ETHUSDT", "BTCUSDT"), (("ETHUSDT", "HALT"),), ())


def test_a_name_that_is_neither_listed_nor_held_is_a_typo() -> None:
    with pytest.raises(UnknownSymbolsError, match="does not list NOPEUSDT,"):
        choose_symbols(["BTCUSDT", "GONEUSDT", "NOPEUSDT"], LISTED, known=["GONEUSDT"], url="url")


def test_all_means_every_symbol_that_trades_and_those_whose_trades_are_held() -> None:
    assert choose_symbols(["ALL"], LISTED, known=(), url="url") == SymbolChoice(("BTCUSDT",), (), ())
    assert choose_symbols(["ALL"], LISTED, known=["ETHUSDT", "GONEUSDT"], url="url") == SymbolChoice(
        ("BTCUSDT", "ETHUSDT"), (("ETHUSDT", "HALT"),), ()
    )


def test_all_of_an_exchange_that_trades_nothing_goes_on_with_what_is_held() -> None:
    halted = {"BTCUSDT": "BREAK", "ETHUSDT": "BREAK"}
    assert choose_symbols(["ALL"], halted, known=["ETHUSDT"], url="url").collected == ("ETHUSDT",)
    with pytest.raises(NoSymbolLeftError, match=r"at url trades no symbol now.*tried again"):
        choose_symbols(["ALL"], halted, known=(), url="url")


def test_a_name_is_no_typo_while_the_lake_that_may_know_it_does_not_answer() -> None:
    choice = choose_symbols(["BTCUSDT", "GONEUSDT"], LISTED, known=(), url="url", is_lake_away=True)
    assert choice == SymbolChoice(("BTCUSDT",), (), ("GONEUSDT",))
