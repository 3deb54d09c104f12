"""The gateway against the project's own exchange: what the exchange has, the topic holds once, whatever went wrong."""

import json
from pathlib import Path
from typing import Any

import pytest

from firehose_dagster.gateway.status import GatewayStatus
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster_tests.gateway.conftest import Broker, SettingsFor, run_until
from firehose_dagster_tests.gateway.running_simulator import running_simulator

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "recordings" / "spot_ws"
needs_recordings = pytest.mark.skipif(
    not CAPTURES.is_dir(), reason="no captured frames beside the checkout (../shared/recordings)"
)
SYMBOLS = ("BTCUSDT", "ETHUSDT")


def _held(broker: Broker) -> dict[str, dict[int, dict[str, Any]]]:
    """The trades in the topic by symbol and id; an id that came twice is a failure."""
    held: dict[str, dict[int, dict[str, Any]]] = {}
    for record in broker.records():
        if record.key is None:
            continue
        message = record.message
        ids = held.setdefault(message["symbol"], {})
        assert message["agg_id"] not in ids, message
        ids[message["agg_id"]] = message
    return held


def _content(message: dict[str, Any]) -> tuple[Any, ...]:
    names = ("price", "qty", "first_trade_id", "last_trade_id", "trade_time", "is_buyer_maker")
    return tuple(message[name] for name in names)


@needs_recordings
def test_each_captured_trade_arrives_once_and_unchanged(broker: Broker, settings_for: SettingsFor) -> None:
    expected: dict[tuple[str, int], tuple[Any, ...]] = {}
    files = tuple(sorted(CAPTURES.glob("BINANCE*")))
    for line in (line for path in files for line in path.read_text().splitlines()):
        text = line.partition(": ")[2]
        if '"e":"aggTrade"' in text:
            row = json.loads(text)["data"]
            content = (row["p"], row["q"], row["f"], row["l"], row["T"] * 1_000, row["m"])
            expected[row["s"], row["a"]] = content
    assert len(expected) == 3_204
    with running_simulator(ExchangeOptions(recordings=files, speed=0, port=0)) as simulator:
        settings = settings_for(simulator, symbols="ALL")
        run_until(settings, lambda status: status.trades == 3_204)
    held = {(symbol, agg_id): _content(row) for symbol, ids in _held(broker).items() for agg_id, row in ids.items()}
    assert held == expected


@pytest.mark.slow
@pytest.mark.parametrize("how", ["/admin/disconnect", "/admin/disconnect?code=1001"])
def test_a_dropped_connection_and_skipped_trades_are_healed(
    broker: Broker, settings_for: SettingsFor, how: str
) -> None:
    options = ExchangeOptions(synthetic=True, seed=7, symbols=SYMBOLS, rate=400, history_minutes=1, port=0)
    with running_simulator(options) as simulator:
        settings = settings_for(simulator, symbols=",".join(SYMBOLS))
        faults = ["/admin/inject", "/admin/skip?symbol=BTCUSDT&count=3"]

        def until_healed(status: GatewayStatus) -> bool:
            if status.trades > 100 and faults:
                simulator.post(faults.pop(0), b"not json")
            elif status.gaps_healed and not faults and not status.reconnects:
                simulator.post(how)
            return status.reconnects > 0 and status.gaps_healed > 1 and status.missing_ids == 0

        run_until(settings, until_healed)
        # And what passed while no gateway ran.
        run_until(settings, lambda status: status.gaps_healed >= 1 and status.trades > 100 and status.missing_ids == 0)
        held = _held(broker)
        for symbol in SYMBOLS:
            ids = held[symbol]
            assert sorted(ids) == list(range(min(ids), max(ids) + 1))
            history = simulator.history(symbol, min(ids), max(ids))
            for agg_id, message in ids.items():
                row = history[agg_id]
                assert _content(message) == (row["p"], row["q"], row["f"], row["l"], row["T"], row["m"])
    assert [record.value for record in broker.records() if record.key is None] == [b"not json"]
