"""A layer is made anew from the one below, and a crash on the way is completed by the next start."""

import threading

import pytest

from firehose_dagster.contracts.position import OFFSETS_LOST, Position
from firehose_dagster.streams.bronze_replay import replay_from_bronze
from firehose_dagster.streams.lost_offsets import accept_loss
from firehose_dagster.streams.rebuild import empty_for_rebuild
from firehose_dagster.streams.topic_offsets import TopicUnusableError
from firehose_dagster_tests.streams.scenario import Scenario, trade, trades

pytestmark = pytest.mark.spark


def _filled(scenario: Scenario) -> None:
    scenario.send(*trades(1, 40), b"no trade", trade(4, 1.5), trade(9, 4, price="7"), trade(1, 2, symbol="ETHUSDT"))
    scenario.run(rows_a_batch=15)
    scenario.stop()


def test_silver_and_gold_made_anew_from_bronze_are_as_they_were(scenario: Scenario) -> None:
    _filled(scenario)
    silver = (
        "SELECT symbol, agg_id, price, qty, event_ts, kafka_partition, kafka_offset FROM crypto_silver_trades "
        "ORDER BY symbol, agg_id"
    )
    before, gold_before = scenario.query(silver), scenario.gold()
    empty_for_rebuild(scenario.spark, scenario.catalog, scenario.settings, "silver")
    assert (scenario.count("crypto_silver_trades"), scenario.count("crypto_gold_minute")) == (0, 0)
    replay_from_bronze(scenario.spark, scenario.catalog, scenario.settings, scenario.started(), threading.Event())
    scenario.stop()
    assert scenario.query(silver) == before
    assert scenario.gold() == gold_before
    scenario.require_proven()


def test_gold_made_anew_from_silver_is_as_it_was(scenario: Scenario) -> None:
    _filled(scenario)
    before = scenario.gold()
    empty_for_rebuild(scenario.spark, scenario.catalog, scenario.settings, "gold")
    assert scenario.gold() == []
    scenario.started()
    scenario.stop()
    assert scenario.gold() == before
    scenario.require_proven()


def test_after_a_crash_behind_the_emptying_the_stream_fills_silver_from_the_topic(scenario: Scenario) -> None:
    _filled(scenario)
    empty_for_rebuild(scenario.spark, scenario.catalog, scenario.settings, "silver")
    scenario.send(*trades(41, 50, minute=20))
    scenario.run(rows_a_batch=20)
    scenario.stop()
    assert scenario.count("crypto_silver_trades") == 51
    assert scenario.count("crypto_bronze_aggtrade") == 54
    scenario.require_proven()


def test_records_that_no_table_holds_are_refused_with_the_setting_that_skips_them(scenario: Scenario) -> None:
    held = scenario.started()
    with pytest.raises(TopicUnusableError, match=r"removed 6 records .*partition 0 offsets 2 to 7.*LOST_OFFSETS=skip"):
        accept_loss(scenario.settings, scenario.catalog, held, {0: (2, 8)})


def test_skipped_records_are_one_incident_and_excused_by_verify(scenario: Scenario) -> None:
    settings = scenario.settings.model_copy(update={"lost_offsets": "skip"})
    scenario.send(*trades(1, 4))
    scenario.run()
    for _ in range(2):
        accept_loss(settings, scenario.catalog, scenario.started(), {0: (4, 7)})
    scenario.send(b"1", b"2", b"3", *trades(5, 6, minute=2))
    scenario.process([(0, offset, value) for offset, value in enumerate(scenario.topic[0]) if offset >= 7])
    scenario.stop()
    incidents = scenario.query(f"SELECT offsets_start, offsets_end FROM ops_audit WHERE kind = '{OFFSETS_LOST}'")  # noqa: S608 constant
    assert incidents == [
        {
            "offsets_start": Position("binance.aggtrade", {0: 4}).to_json(),
            "offsets_end": Position("binance.aggtrade", {0: 7}).to_json(),
        }
    ]
    scenario.require_proven()
