"""Of ids that lie far apart the driver is given those alone, however much silver holds between them."""

from decimal import Decimal
from typing import cast

import pyarrow as pa
import pytest
from pyspark.sql import DataFrame

from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.streams.gold_table import GoldTable
from firehose_dagster.streams.silver_lookup import held_content
from firehose_dagster_tests.streams.scenario import Scenario, trades

pytestmark = pytest.mark.spark

DAY = 24 * 60


def test_what_lies_between_two_ids_of_a_symbol_is_not_collected(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario.send(*trades(1, 30), *trades(31, 60, minute=DAY), *trades(1, 30, symbol="ETHUSDT"))
    scenario.run()
    scenario.stop()
    collected: list[int] = []
    classic = type(scenario.spark.range(1))
    to_arrow = classic.toArrow

    def counted(rows: DataFrame) -> pa.Table:
        table = to_arrow(rows)
        collected.append(table.num_rows)
        return table

    monkeypatch.setattr(classic, "toArrow", counted)
    gold = GoldTable(scenario.catalog, cast(DriverTable, None))  # nothing here writes
    held = held_content(scenario.spark, gold, {"BTCUSDT": frozenset({2, 59, 99}), "ETHUSDT": frozenset({7})})
    assert {(*key,) for key in held} == {("BTCUSDT", 2), ("BTCUSDT", 59), ("ETHUSDT", 7)}
    assert all(content.price > Decimal(0) for content in held.values())
    assert collected == [3]
