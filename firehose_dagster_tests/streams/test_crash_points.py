"""A crash between any two effects of a batch is repaired by replaying, however the batches are then cut."""

import math
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.crash_points import CrashPoint, crashing
from firehose_dagster.settings import Settings
from firehose_dagster.streams import batch_audit
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.silver_layer import RowsLostError
from firehose_dagster_tests.chaos.sweep import STREAM_POINTS
from firehose_dagster_tests.defs.test_alert_crashes import POSTED
from firehose_dagster_tests.streams.crashed_batches import (
    REFUSAL,
    Left,
    calm,
    held,
    left_since,
    make_silver_anew,
    refusing_commits,
    require_all_taken_once,
    revised_gold,
    second,
    third,
)
from firehose_dagster_tests.streams.scenario import Message, Scenario, new_scenario, trade, trades

pytestmark = pytest.mark.spark

LEFT = {
    # bronze, quarantine, silver, spikes, gold, audit
    CrashPoint.BATCH_PLANNED: Left((0, 0, 0, 0, 0, 0)),
    CrashPoint.BRONZE_COMMITTED: Left((1, 0, 0, 0, 0, 0)),
    CrashPoint.BATCH_CLASSIFIED: Left((1, 0, 0, 0, 0, 0)),
    CrashPoint.QUARANTINE_COMMITTED: Left((1, 1, 0, 0, 0, 0)),
    CrashPoint.SILVER_COMMITTED: Left((1, 1, 1, 0, 0, 0)),
    CrashPoint.SPIKES_FILE_WRITTEN: Left((1, 1, 1, 0, 0, 0), unlisted=frozenset({SPIKES.name})),
    CrashPoint.SPIKES_COMMITTED: Left((1, 1, 1, 1, 0, 0)),
    CrashPoint.GOLD_FILE_WRITTEN: Left((1, 1, 1, 1, 0, 0), unlisted=frozenset({GOLD.name})),
    CrashPoint.GOLD_COMMITTED: Left((1, 1, 1, 1, 1, 0)),
    CrashPoint.AUDIT_BUFFERED: Left((1, 1, 1, 1, 1, 0)),
    CrashPoint.BATCH_DONE: Left((1, 1, 1, 1, 1, 0), told=1),
    CrashPoint.AUDIT_FILE_WRITTEN: Left((1, 1, 1, 1, 1, 0), told=1, unlisted=frozenset({OPS_AUDIT.name})),
    CrashPoint.AUDIT_COMMITTED: Left((1, 1, 1, 1, 1, 1), told=1),
}
"""Each point of the pass, and what of the batch is in the lake there: the point lies where its name says."""


@pytest.fixture(scope="module")
def gold_without_a_crash(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What all of these must end in."""
    scenario = new_scenario(spark, Settings(home=tmp_path_factory.mktemp("without-a-crash")))
    for messages in (calm(), second(), third()):
        scenario.send(*messages)
        scenario.run()
    scenario.stop()
    gold = revised_gold(scenario)
    assert [row["revision"] for row in gold].count(1) == 1
    require_all_taken_once(scenario, gold)
    return gold


@pytest.mark.parametrize("crashes", [pytest.param(1, marks=pytest.mark.slow), 2], ids=["once", "twice"])
@pytest.mark.parametrize("point", LEFT)
def test_after_crashes_a_replay_in_other_batches_ends_in_a_proven_lake(
    gold_without_a_crash: list[dict[str, Any]],
    scenario: Scenario,
    monkeypatch: pytest.MonkeyPatch,
    point: CrashPoint,
    crashes: int,
) -> None:
    # What is buffered is written by the clean stop alone: the points of that lie in there.
    monkeypatch.setattr(batch_audit, "_FLUSH_EVERY_SECONDS", math.inf)
    scenario.send(*calm())
    scenario.run()
    scenario.stop()
    before = held(scenario)
    for crash, messages in enumerate((second(), third())):
        scenario.send(*messages)
        if crash < crashes:
            with crashing(point):
                scenario.run(rows_a_batch=20 - crash)
                scenario.stop()
            scenario.kill()
        if crash == 0:
            assert left_since(before, held(scenario)) == LEFT[point]
    scenario.run(rows_a_batch=6)
    scenario.stop()
    require_all_taken_once(scenario, gold_without_a_crash)


@pytest.mark.parametrize(
    ("table", "snapshots"),
    [
        pytest.param(BRONZE, (0, 0, 0, 0, 0, 0), id="bronze"),
        pytest.param(QUARANTINE, (2, 0, 0, 0, 0, 0), id="quarantine"),
        pytest.param(SILVER, (2, 2, 0, 0, 0, 0), id="silver"),
    ],
)
def test_rows_of_which_the_files_were_written_and_never_committed_come_once(
    gold_without_a_crash: list[dict[str, Any]], scenario: Scenario, table: Table, snapshots: tuple[int, ...]
) -> None:
    scenario.send(*calm())
    scenario.run()
    scenario.stop()
    before = held(scenario)
    for messages, rows_a_batch in ((second(), 20), (third(), 19)):
        scenario.send(*messages)
        with refusing_commits(scenario.settings, table), pytest.raises(Exception, match=REFUSAL):
            scenario.run(rows_a_batch)
        scenario.kill()
    assert left_since(before, held(scenario)) == Left(snapshots, unlisted=frozenset({table.name}))
    scenario.run(rows_a_batch=6)
    scenario.stop()
    require_all_taken_once(scenario, gold_without_a_crash)
    assert left_since(before, held(scenario)).unlisted == {table.name}, "they are orphans, removed after days"


def test_every_point_is_swept() -> None:
    assert {*STREAM_POINTS, *POSTED} == set(CrashPoint)
    assert {CrashPoint.LEASE_TAKEN, *LEFT} == set(STREAM_POINTS)


def test_a_crash_in_the_first_batch_of_all_is_repaired(scenario: Scenario) -> None:
    scenario.send(*trades(1, 4), b"", trade(2, 0.5))
    with crashing(CrashPoint.SILVER_COMMITTED):
        scenario.run()
    scenario.kill()
    scenario.stop()
    assert len(scenario.gold()) == 2
    scenario.require_proven()


def test_two_crashes_in_a_row_at_different_steps_are_repaired(scenario: Scenario) -> None:
    scenario.send(*calm(), *second())
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


def test_audit_rows_that_were_buffered_in_a_crash_are_rebuilt(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch_audit, "_FLUSH_EVERY_SECONDS", math.inf)
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
def test_a_row_that_a_tool_inserted_fails_the_batch_and_the_next_start_until_silver_is_made_anew(
    scenario: Scenario, inserted: Message
) -> None:
    scenario.send(*trades(1, 4))
    scenario.run()
    row = scenario.spark.table(SILVER.spark_identifier).where("agg_id = 4")
    event_ts = f.timestamp_micros(f.lit(inserted["trade_time"]))
    row.withColumns({"agg_id": f.lit(inserted["agg_id"]).cast("long"), "event_ts": event_ts}).writeTo(
        SILVER.spark_identifier
    ).append()
    scenario.send(trade(5, 2), trade(6, 2.5))
    with pytest.raises(LayerFailedError, match="silver took 1 rows, 2 were new to it"):
        scenario.run()
    scenario.kill()
    with pytest.raises(RowsLostError, match="silver took 1 rows, 2 were new to it"):
        scenario.started()
    make_silver_anew(scenario)
    assert scenario.count("crypto_silver_trades") == 6
