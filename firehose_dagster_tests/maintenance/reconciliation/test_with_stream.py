"""What a table lost comes back through the pass of the real stream, exactly once, and the lake is proven again."""

import gc
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.maintenance.completeness.look import look
from firehose_dagster.maintenance.reconciliation.outcome import Reconciliation
from firehose_dagster.maintenance.reconciliation.reconcile import reconcile
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.reconciliation.listed_topic import ListedTopic
from firehose_dagster_tests.streams.scenario import Scenario, new_scenario, trade, trades

pytestmark = pytest.mark.spark

_TWO_HOURS_LATER = 120


@pytest.fixture
def scenario(spark: SparkSession, tmp_path: Path) -> Iterator[Scenario]:
    yield new_scenario(spark, Settings(home=tmp_path / "home"))
    gc.collect()  # here, where the sockets that py4j left are expected


def _reconcile(scenario: Scenario, run_id: str) -> Reconciliation:
    topic = ListedTopic(scenario.topic, clock=datetime(2026, 1, 5, 9, 40, tzinfo=UTC))
    return reconcile(scenario.catalog, scenario.settings, topic, run_id=run_id, is_stream_running=False)


def _lose(scenario: Scenario, identifier: str, offset: int) -> None:
    scenario.catalog.load_table(identifier).delete(f"kafka_offset = {offset}")


def test_what_silver_and_quarantine_lost_comes_back_once_through_the_topic(scenario: Scenario) -> None:
    conflict = trade(3, 1, price="7")
    scenario.send(*trades(1, 10), trade(4, 1.5), conflict, b"no trade", trade(11, _TWO_HOURS_LATER))
    scenario.run(rows_a_batch=5)
    scenario.stop()
    look(scenario.catalog, scenario.settings)
    assert _reconcile(scenario, "clean").is_complete
    scenario.require_proven()
    before = _silver(scenario), scenario.gold()

    _lose(scenario, SILVER.identifier, 3)
    _lose(scenario, SILVER.identifier, 7)
    _lose(scenario, QUARANTINE.identifier, 11)
    _lose(scenario, QUARANTINE.identifier, 12)
    assert not scenario.judged().ok
    found = _reconcile(scenario, "first")
    assert (found.trades_missing, found.rejections_missing, found.published) == (3, 1, 4)
    assert _reconcile(scenario, "not taken yet").published == 0

    scenario.run()
    scenario.stop()
    assert (_silver(scenario), scenario.gold()) == before
    assert scenario.query("SELECT agg_id FROM crypto_silver_trades WHERE source = 'replay' ORDER BY 1") == [
        {"agg_id": 4},
        {"agg_id": 8},
    ]
    assert sorted(reasons for _, reasons in scenario.quarantined()) == [
        ["message_is_a_flat_json_object"],
        ["same_id_has_same_content"],
    ]
    look(scenario.catalog, scenario.settings)
    scenario.require_proven()
    again = _reconcile(scenario, "second")
    assert (again.is_complete, again.published, again.told_lost) == (True, 0, 0)


def test_a_record_that_bronze_lost_is_in_bronze_again_and_a_rebuild_from_it_would_have_it(scenario: Scenario) -> None:
    scenario.send(*trades(1, 10), trade(11, _TWO_HOURS_LATER))
    scenario.run()
    scenario.stop()
    look(scenario.catalog, scenario.settings)
    _lose(scenario, BRONZE.identifier, 4)
    assert _reconcile(scenario, "first").holes == {"wanted": 1}
    scenario.run()
    scenario.stop()
    assert scenario.query("SELECT kafka_offset FROM crypto_bronze_aggtrade WHERE agg_id = 5") == [{"kafka_offset": 11}]
    assert scenario.count("crypto_silver_trades") == 11
    look(scenario.catalog, scenario.settings)
    scenario.require_proven()
    again = _reconcile(scenario, "second")
    assert (again.holes, again.published, again.is_complete) == ({"held again": 1}, 0, True)


def _silver(scenario: Scenario) -> list[dict[str, object]]:
    """The trades, however they came."""
    return scenario.query(
        "SELECT symbol, agg_id, price, qty, first_trade_id, last_trade_id, is_buyer_maker, event_ts "
        "FROM crypto_silver_trades ORDER BY 1, 2"
    )
