"""A crash between any two effects of a batch is repaired by replaying, however the batches are then cut."""

import threading
from typing import Any

import pytest
from pyspark.sql import functions as f

from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.crash_points import CrashPoint, crashing
from firehose_dagster.streams.bronze_replay import replay_from_bronze
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.rebuild import empty_for_rebuild
from firehose_dagster.streams.silver_layer import RowsLostError
from firehose_dagster_tests.streams.scenario import Message, Scenario, trade, trades

pytestmark = pytest.mark.spark


ALERT_POINTS = {CrashPoint.ALERT_SELECTED, CrashPoint.ALERT_POSTED, CrashPoint.ALERT_RECORDED}
"""Passed by the alert job; see test_alerts.py."""
HOST_POINTS = {CrashPoint.LEASE_TAKEN}
"""Passed before there is a pass; the sweep over processes has it."""
PASS_POINTS = [point for point in CrashPoint if point not in ALERT_POINTS | HOST_POINTS]


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


def _third() -> list[Message | bytes]:
    """Another spike, a duplicate of the second part, a bad row."""
    return [
        trade(16, 16, price="130", qty="1"),
        trade(13, 13, price="100", qty="50"),
        b"[]",
        trade(17, 17, price="130", qty="500"),
    ]


@pytest.mark.parametrize("crashes", [pytest.param(1, marks=pytest.mark.slow), 2], ids=["once", "twice"])
@pytest.mark.parametrize("point", PASS_POINTS)
def test_after_crashes_a_replay_in_other_batches_ends_in_a_proven_lake(
    scenario: Scenario, point: CrashPoint, crashes: int, gold_without_a_crash: dict[str, list[dict[str, Any]]]
) -> None:
    scenario.send(*_calm())
    scenario.run()
    for crash, messages in enumerate((_second(), _third())):
        scenario.send(*messages)
        if crash < crashes:
            with crashing(point):
                scenario.run(rows_a_batch=20 - crash)
                # What is buffered is written by the clean stop: its points lie in there.
                scenario.stop()
            scenario.kill()
    scenario.run(rows_a_batch=6)
    scenario.stop()
    scenario.require_proven()
    assert scenario.count("crypto_bronze_aggtrade") == 24
    assert scenario.count("crypto_silver_trades") == 18
    assert scenario.quarantined() == [
        (14, ["message_is_a_flat_json_object"]),
        (15, ["same_id_has_same_content"]),
        (18, ["price_is_positive"]),
        (22, ["message_is_a_flat_json_object"]),
    ]
    spikes = scenario.query("SELECT kind, epoch_us(minute) // 60000000 AS minute FROM crypto_spikes ORDER BY 2, 1")
    assert [row["kind"] for row in spikes] == ["volume", "price", "volume"]
    assert scenario.gold() == gold_without_a_crash.setdefault("gold", scenario.gold())


def test_every_point_is_passed_by_some_sweep() -> None:
    assert {*PASS_POINTS, *HOST_POINTS, *ALERT_POINTS} == set(CrashPoint)


def test_a_crash_in_the_first_batch_of_all_is_repaired(scenario: Scenario) -> None:
    scenario.send(*trades(1, 4), b"", trade(2, 0.5))
    with crashing(CrashPoint.SILVER_COMMITTED):
        scenario.run()
    scenario.kill()
    scenario.stop()
    assert len(scenario.gold()) == 2
    scenario.require_proven()


def test_two_crashes_in_a_row_at_different_steps_are_repaired(scenario: Scenario) -> None:
    scenario.send(*_calm(), *_second())
    with crashing(CrashPoint.QUARANTINE_COMMITTED):
        scenario.run(rows_a_batch=16)
    scenario.kill()
    with crashing(CrashPoint.SILVER_COMMITTED):
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


@pytest.mark.parametrize("inserted", [trade(5, 2), trade(6, 2.5)], ids=["first in time", "last in time"])
def test_rows_that_somebody_else_inserted_fail_the_batch_loudly(scenario: Scenario, inserted: Message) -> None:
    scenario.send(*trades(1, 4))
    scenario.run()
    bronze = scenario.catalog.load_table(BRONZE.identifier).current_snapshot()
    assert bronze is not None
    stranger = Scenario(scenario.settings, scenario.spark, scenario.catalog, topic={0: [*scenario.topic[0]]})
    stranger.send(inserted)
    stranger.run()
    scenario.send(trade(5, 2), trade(6, 2.5))
    with pytest.raises(LayerFailedError, match=r"silver took 1 rows, 2 were new to it.*second stream"):
        scenario.run()
    scenario.kill()
    with pytest.raises(RowsLostError, match=r"silver took 1 rows, 2 were new to it.*`firehose rebuild silver`"):
        scenario.started()
    # What a second stream left in bronze stands there twice.
    scenario.spark.sql(f"CALL lake.system.rollback_to_snapshot('{BRONZE.identifier}', {bronze.snapshot_id})")
    _make_silver_anew(scenario)


def test_a_row_that_a_tool_inserted_fails_the_batch_and_the_next_start_until_silver_is_made_anew(
    scenario: Scenario,
) -> None:
    scenario.send(*trades(1, 4))
    scenario.run()
    at = trade(5, 2)["trade_time"]
    row = scenario.spark.table(SILVER.spark_identifier).where("agg_id = 4")
    row.withColumns({"agg_id": f.lit(5).cast("long"), "event_ts": f.timestamp_micros(f.lit(at))}).writeTo(
        SILVER.spark_identifier
    ).append()
    scenario.send(trade(5, 2), trade(6, 2.5))
    with pytest.raises(LayerFailedError, match="silver took 1 rows, 2 were new to it"):
        scenario.run()
    scenario.kill()
    with pytest.raises(RowsLostError, match="silver took 1 rows, 2 were new to it"):
        scenario.started()
    _make_silver_anew(scenario)


def _make_silver_anew(scenario: Scenario) -> None:
    """As `firehose rebuild silver` does, and the stream behind it."""
    empty_for_rebuild(scenario.spark, scenario.catalog, scenario.settings, "silver")
    replay_from_bronze(scenario.spark, scenario.catalog, scenario.settings, scenario.started(), threading.Event())
    scenario.run()
    scenario.stop()
    assert scenario.count("crypto_silver_trades") == 6
    scenario.require_proven()
