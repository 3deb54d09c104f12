"""A crash between any two effects of a batch is repaired by replaying, however the batches are then cut."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from firehose_dagster.streams.batch_audit import AuditBuffer
from firehose_dagster.streams.gold_layer import GoldLayer
from firehose_dagster.streams.gold_table import GoldTable
from firehose_dagster.streams.spike_events import SpikeEvents
from firehose_dagster.streams.trade_pass import RowsLostError, TradePass
from firehose_dagster_tests.streams.scenario import Message, Scenario, trade, trades

pytestmark = pytest.mark.spark


class CrashError(BaseException):
    """The process died here."""


@contextmanager
def crash(owner: type[Any], step: str, *, after: bool) -> Iterator[None]:
    """Within, the step ends in a crash: before it did anything, or after all of it."""
    original: Callable[..., Any] = getattr(owner, step)

    def crashing(*args: Any, **kwargs: Any) -> Any:
        if after:
            original(*args, **kwargs)
        raise CrashError(step)

    setattr(owner, step, crashing)
    try:
        with pytest.raises(CrashError):
            yield
    finally:
        setattr(owner, step, original)


CRASH_POINTS = [
    pytest.param(TradePass, "_append_bronze", False, id="before_bronze"),
    pytest.param(TradePass, "_append_bronze", True, id="after_bronze"),
    pytest.param(TradePass, "_append_quarantine", True, id="after_quarantine"),
    pytest.param(TradePass, "_merge_silver", True, id="after_silver"),
    pytest.param(SpikeEvents, "append", False, id="before_spikes"),
    pytest.param(SpikeEvents, "append", True, id="after_spikes"),
    pytest.param(GoldTable, "replace", True, id="after_gold"),
    pytest.param(AuditBuffer, "add", False, id="before_audit"),
]


def _calm() -> list[Message]:
    return [trade(agg_id, agg_id, price="100", qty="1") for agg_id in range(1, 13)]


def _second() -> list[Message | bytes]:
    """A spike, a duplicate, a conflict, two bad rows, a late row of another symbol."""
    return [
        trade(13, 13, price="100", qty="50"),
        trade(12, 12, price="100", qty="1"),
        b"no trade",
        trade(5, 5, price="7"),
        trade(14, 14, price="100", qty="1"),
        trade(1, 0, symbol="ETHUSDT"),
        trade(15, 15, price="0"),
        trade(15, 15, price="130", qty="1"),
    ]


@pytest.fixture(scope="module")
def gold_without_a_crash() -> dict[str, list[dict[str, Any]]]:
    """What all of these must end in, kept by the first that made it."""
    return {}


@pytest.mark.parametrize(("owner", "step", "after"), CRASH_POINTS)
def test_after_a_crash_a_replay_in_other_batches_ends_in_a_proven_lake(
    scenario: Scenario, owner: type[Any], step: str, after: bool, gold_without_a_crash: dict[str, list[dict[str, Any]]]
) -> None:
    scenario.send(*_calm())
    scenario.run()
    scenario.send(*_second())
    with crash(owner, step, after=after):
        scenario.run()
    scenario.kill()
    scenario.send(trade(16, 16, price="130", qty="1"), trade(13, 13, price="100", qty="50"), b"[]")
    scenario.run(rows_a_batch=6)
    scenario.stop()
    scenario.require_proven()
    assert scenario.count("crypto_bronze_aggtrade") == 23
    assert scenario.count("crypto_silver_trades") == 17
    assert scenario.quarantined() == [
        (14, ["message_is_a_flat_json_object"]),
        (15, ["same_id_has_same_content"]),
        (18, ["price_is_positive"]),
        (22, ["message_is_a_flat_json_object"]),
    ]
    spikes = scenario.query("SELECT kind, epoch_us(minute) // 60000000 AS minute FROM crypto_spikes ORDER BY 2, 1")
    assert [row["kind"] for row in spikes] == ["volume", "price"]
    assert scenario.gold() == gold_without_a_crash.setdefault("gold", scenario.gold())


def test_a_crash_in_the_first_batch_of_all_is_repaired(scenario: Scenario) -> None:
    scenario.send(*trades(1, 4), b"", trade(2, 0.5))
    with crash(GoldLayer, "update", after=False):
        scenario.run()
    scenario.kill()
    scenario.stop()
    assert len(scenario.gold()) == 2
    scenario.require_proven()


def test_two_crashes_in_a_row_at_different_steps_are_repaired(scenario: Scenario) -> None:
    scenario.send(*_calm(), *_second())
    with crash(TradePass, "_append_quarantine", after=True):
        scenario.run(rows_a_batch=16)
    scenario.kill()
    with crash(TradePass, "_merge_silver", after=True):
        scenario.run(rows_a_batch=14)
    scenario.kill()
    scenario.run(rows_a_batch=5)
    scenario.stop()
    scenario.require_proven()
    assert scenario.count("crypto_quarantine") == 3


def test_audit_rows_that_were_buffered_in_a_crash_are_rebuilt(scenario: Scenario) -> None:
    scenario.send(*trades(1, 6), b"{}")
    scenario.run(rows_a_batch=3)
    assert scenario.count("ops_audit") == 0
    scenario.kill()
    scenario.started()
    rows = scenario.query("SELECT rows_in, rows_out, dq_fail FROM ops_audit ORDER BY batch_id")
    assert rows == [
        {"rows_in": 3, "rows_out": 3, "dq_fail": 0},
        {"rows_in": 3, "rows_out": 3, "dq_fail": 0},
        {"rows_in": 1, "rows_out": 0, "dq_fail": 1},
    ]
    scenario.require_proven()


def test_rows_that_somebody_else_inserted_fail_the_batch_loudly(scenario: Scenario) -> None:
    scenario.send(*trades(1, 4))
    scenario.run()
    stranger = Scenario(scenario.settings, scenario.spark, scenario.catalog, topic={0: [*scenario.topic[0]]})
    stranger.send(trade(5, 2))
    stranger.run()
    scenario.send(trade(5, 2), trade(6, 2.5))
    with pytest.raises(RowsLostError, match=r"silver took 1 rows, 2 were new to it.*second stream"):
        scenario.run()
