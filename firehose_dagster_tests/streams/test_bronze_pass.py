"""Bronze alone writes as the whole pass does: a small batch is one file, whatever partitions it came from."""

import pytest

from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.streams.bronze_pass import BronzePass
from firehose_dagster_tests.streams.scenario import Scenario, records, trades

pytestmark = pytest.mark.spark


def test_a_small_batch_of_several_partitions_is_one_file(scenario: Scenario) -> None:
    scenario.send(*trades(1, 20))
    scenario.send(*trades(1, 20, symbol="ETHUSDT"), partition=1)
    first, second = (
        records(
            scenario.spark,
            [(partition, offset, value) for offset, value in enumerate(values)],
            scenario.settings.topic,
        )
        for partition, values in scenario.topic.items()
    )
    received = first.union(second)
    assert received.rdd.getNumPartitions() > 1
    bronze = BronzePass(scenario.spark, scenario.catalog, scenario.settings)
    bronze.expect(40)
    bronze.process(received, "query", 1)
    files = scenario.catalog.load_table(BRONZE.identifier).inspect.files()
    assert files.column("record_count").to_pylist() == [40]
