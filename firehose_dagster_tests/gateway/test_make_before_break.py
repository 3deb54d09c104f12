"""A connection is replaced by one that overlaps it: no trade is missing, and REST is not asked."""

from typing import Any

import pytest

from firehose_dagster.gateway import connection, rotation, silence
from firehose_dagster.gateway.silence import Tolerance
from firehose_dagster.gateway.status import GatewayStatus
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster_tests.gateway import conftest
from firehose_dagster_tests.gateway.conftest import Broker, SettingsFor, run_until, running_gateway
from firehose_dagster_tests.gateway.running_simulator import running_simulator
from firehose_dagster_tests.gateway.scripted_exchange import CLOSE, ScriptedExchange, frame

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
CALLS_AT_START = 2
"""The exchange's clock, and its list of symbols."""


@pytest.fixture(autouse=True)
def _short_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rotation, "SHORTEST_OVERLAP_SECONDS", 0.2)


def _assert_nothing_is_missing(broker: Broker, symbols: tuple[str, ...] = SYMBOLS) -> None:
    ids: dict[str, set[int]] = {}
    for record in broker.records():
        message = record.message
        assert message["source"] == "ws"
        ids.setdefault(message["symbol"], set()).add(message["agg_id"])
    assert set(ids) == set(symbols)
    for held in ids.values():
        assert held == set(range(min(held), max(held) + 1))


def _options() -> ExchangeOptions:
    return ExchangeOptions(synthetic=True, seed=3, symbols=SYMBOLS, rate=600, history_minutes=0, port=0)


def test_connections_that_grow_old_are_replaced_without_a_gap_or_a_request(
    broker: Broker, settings_for: SettingsFor
) -> None:
    changes: dict[str, Any] = {"gateway_symbols_per_connection": 2, "gateway_rotate_after_seconds": 0.5}
    last: list[GatewayStatus] = []

    def until(status: GatewayStatus) -> bool:
        last[:] = [status]
        return status.rotations >= 8

    with running_simulator(_options()) as simulator:
        run_until(settings_for(simulator, symbols=",".join(SYMBOLS), **changes), until)
        assert simulator.status()["violations"]["connection_attempts"] == 0
    assert (last[0].connections_planned, last[0].reconnects) == (2, 0)
    assert (last[0].gaps_found, last[0].rest_calls) == (0, CALLS_AT_START)
    _assert_nothing_is_missing(broker)


@pytest.mark.parametrize("form", ["raw", "combined"])
def test_an_announced_shutdown_is_left_before_it_comes(broker: Broker, settings_for: SettingsFor, form: str) -> None:
    asked: list[str] = []
    last: list[GatewayStatus] = []

    def until(status: GatewayStatus) -> bool:
        last[:] = [status]
        if status.trades > 100 and not asked:
            asked.append(form)
            simulator.fault("server-shutdown", form=form, grace_seconds=60)
        return status.rotations == 1 and status.trades > 500

    with running_simulator(_options()) as simulator:
        run_until(settings_for(simulator, symbols=",".join(SYMBOLS)), until)
    assert last[0].by_kind == {"serverShutdown": 1}
    assert (last[0].reconnects, last[0].gaps_found, last[0].rest_calls) == (0, 0, CALLS_AT_START)
    _assert_nothing_is_missing(broker)


def test_what_an_overlap_does_not_cover_is_healed_when_the_new_connection_takes_over(
    broker: Broker, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rotation, "LONGEST_OVERLAP_SECONDS", 0.5)
    announcement = b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1767225600000000}}'
    scripts = [[frame("BTCUSDT", 1), announcement], [frame("BTCUSDT", 4)]]
    with ScriptedExchange(scripts, {"BTCUSDT": [1, 2, 3, 4]}) as exchange:
        run_until(settings_for(exchange), lambda status: status.rotations == 1 and status.gaps_healed == 1)
    assert sorted(record.message["agg_id"] for record in broker.records()) == [1, 2, 3, 4]


def test_a_connection_that_delivers_nothing_is_replaced_though_pings_flow(
    broker: Broker, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "CONNECTION_TOLERANCE", Tolerance(30, 0.5, 1, 0.5))
    with ScriptedExchange([[], [frame("BTCUSDT", 7)]]) as exchange:
        run_until(settings_for(exchange), lambda status: status.trades == 1 and status.rotations == 1)
        assert len(exchange.paths) >= 2
    assert [record.message["agg_id"] for record in broker.records()] == [7]


def test_a_replacement_that_is_refused_is_given_up_and_the_old_connection_goes_on(
    broker: Broker, settings_for: SettingsFor
) -> None:
    def until(status: GatewayStatus) -> bool:
        return "replacement was given up: ConnectionLostError: closed by the exchange" in (status.last_error or "")

    with (
        ScriptedExchange([[frame("BTCUSDT", 1)], [CLOSE]]) as exchange,
        running_gateway(settings_for(exchange, gateway_rotate_after_seconds=0.1), until) as status,
    ):
        assert (status.connections, status.reconnects) == (1, 0)
    assert [record.message["agg_id"] for record in broker.records()] == [1]


def test_the_usual_tolerance_is_the_documented_one() -> None:
    assert Tolerance(30, 15, 900, 60) == silence.CONNECTION_TOLERANCE


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_thousand_rotations_miss_nothing_and_ask_for_nothing(
    broker: Broker, settings_for: SettingsFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On twenty connections at once; a connection for each symbol. At the real limits they would take three hours."""
    monkeypatch.setattr(connection, "MAX_CONNECTION_ATTEMPTS", 1_000_000)
    monkeypatch.setattr(conftest, "GIVE_UP_SECONDS", 800)
    symbols = tuple(f"S{number:02d}USDT" for number in range(20))
    options = ExchangeOptions(
        synthetic=True,
        seed=5,
        symbols=symbols,
        rate=400,
        history_minutes=0,
        port=0,
        connection_attempts_per_5_minutes=1_000_000,
    )
    last: list[GatewayStatus] = []

    def until(status: GatewayStatus) -> bool:
        last[:] = [status]
        return status.rotations >= 1_000

    with running_simulator(options) as simulator:
        settings = settings_for(
            simulator,
            symbols=",".join(symbols),
            gateway_symbols_per_connection=1,
            gateway_rotate_after_seconds=0.3,
        )
        run_until(settings, until)
    assert (last[0].reconnects, last[0].gaps_found, last[0].rest_calls) == (0, 0, CALLS_AT_START)
    _assert_nothing_is_missing(broker, symbols)
