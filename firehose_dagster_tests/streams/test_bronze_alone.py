"""Bronze without the layers behind it, and the layers from bronze without the topic."""

import threading
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.streams.bronze_pass import BronzePass
from firehose_dagster.streams.bronze_replay import replay_from_bronze, slices
from firehose_dagster.streams.gold_layer import GoldLayer
from firehose_dagster.streams.layer_failures import LayerFailedError, LayerFailures
from firehose_dagster.transforms.parse import parse
from firehose_dagster.transforms.replay import parsed_again
from firehose_dagster_tests.streams.scenario import Message, Scenario, records, trade, trades
from firehose_dagster_tests.transforms.bad_messages import BAD_MESSAGES


def _mixed() -> list[Message | bytes | None]:
    """Valid rows, a duplicate, a conflict, a late row of another symbol, and every kind of bad input."""
    return [
        *trades(1, 30),
        trade(3, 1),
        trade(7, 3, price="7"),
        trade(1, 0, symbol="ETHUSDT"),
        *(bad.value for bad in BAD_MESSAGES),
    ]


@given(
    start=st.dictionaries(st.integers(0, 3), st.integers(0, 40)),
    behind=st.dictionaries(st.integers(0, 3), st.integers(0, 40), min_size=1),
    rows=st.integers(1, 50),
)
def test_slices_cover_every_offset_once_in_order_and_are_no_larger_than_asked(
    start: dict[int, int], behind: dict[int, int], rows: int
) -> None:
    end = {partition: start.get(partition, 0) + count for partition, count in behind.items()}
    position = dict(start)
    for part in slices(start, end, rows):
        assert 0 < sum(until - first for first, until in part.values()) <= rows
        for partition, (first, until) in part.items():
            assert position.get(partition, 0) == first < until
            position[partition] = until
    assert {partition: position.get(partition, 0) for partition in end} == end


def test_the_first_failure_is_tried_again_at_once_then_bronze_goes_on_alone_for_ever_longer() -> None:
    failures = LayerFailures()
    here, there = Position("trades", {0: 5}), Position("trades", {0: 6})
    assert [failures.pause_seconds(here) for _ in range(7)] == [0, 60, 120, 240, 480, 600, 600]
    assert failures.pause_seconds(there) == 0


@pytest.mark.spark
def test_a_row_of_bronze_parses_to_what_its_record_did(scenario: Scenario) -> None:
    scenario.send(*_mixed())
    bronze = BronzePass(scenario.spark, scenario.catalog, scenario.settings)
    rows = [(0, offset, value) for offset, value in enumerate(scenario.topic[0])]
    received = records(scenario.spark, rows, scenario.settings.topic)
    bronze.process(received, "query", 1)
    columns = [name for name in parse(received).columns if name != "value"]
    again = parsed_again(scenario.spark.table(BRONZE.spark_identifier)).select(*columns)
    assert again.orderBy("kafka_offset").collect() == parse(received).select(*columns).orderBy("kafka_offset").collect()


@pytest.mark.spark
def test_layers_made_from_bronze_are_those_made_from_the_topic(scenario: Scenario) -> None:
    scenario.send(*_mixed())
    bronze = BronzePass(scenario.spark, scenario.catalog, scenario.settings)
    for batch, first in enumerate(range(0, len(scenario.topic[0]), 17)):
        rows = [(0, first + at, value) for at, value in enumerate(scenario.topic[0][first : first + 17])]
        bronze.process(records(scenario.spark, rows, scenario.settings.topic), "query", batch)
    assert scenario.count("crypto_silver_trades") == 0
    small = replace(scenario, settings=scenario.settings.model_copy(update={"max_rows_per_batch": 25}))
    replay_from_bronze(small.spark, small.catalog, small.settings, small.started(), _never())
    small.stop()
    small.require_proven()
    assert small.count("crypto_silver_trades") == 31
    assert small.count("crypto_quarantine") == len(BAD_MESSAGES) + 1
    assert small.query("SELECT sum(duplicates)::BIGINT AS n FROM ops_audit") == [{"n": 1}]


@pytest.mark.spark
def test_a_gold_that_fails_is_named_and_silver_and_gold_go_on_behind_bronze(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.send(*trades(1, 10))
    scenario.run()

    def broken(*_: object) -> None:
        raise OSError("no space left on device")

    scenario.send(*trades(11, 20, minute=5))
    with monkeypatch.context() as patched:
        patched.setattr(GoldLayer, "update", broken)
        with pytest.raises(LayerFailedError, match="crypto_gold_minute failed: OSError: no space left on device"):
            scenario.run()
    scenario.kill()
    scenario.send(*trades(21, 30, minute=10))
    bronze = BronzePass(scenario.spark, scenario.catalog, scenario.settings)
    assert bronze.position.offsets == {0: 20}
    rest = [(0, offset, value) for offset, value in enumerate(scenario.topic[0]) if offset >= 20]
    bronze.process(records(scenario.spark, rest, scenario.settings.topic), "query", 9)
    assert (scenario.count("crypto_bronze_aggtrade"), scenario.count("crypto_silver_trades")) == (30, 20)
    scenario.run()
    scenario.stop()
    scenario.require_proven()
    assert (scenario.count("crypto_bronze_aggtrade"), scenario.count("crypto_silver_trades")) == (30, 30)


def _never() -> threading.Event:
    return threading.Event()
