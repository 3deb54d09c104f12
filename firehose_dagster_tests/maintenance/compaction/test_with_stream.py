"""Compaction of what the stream's pass wrote: it goes on, restarts and is proved as if nothing had happened."""

import gc
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, SILVER
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.maintenance.compaction import rewrite_commit
from firehose_dagster.maintenance.compaction.report import GroupResult
from firehose_dagster.maintenance.compaction.table_compaction import compact
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import paths
from firehose_dagster_tests.streams.scenario import Scenario, new_scenario, trade, trades

pytestmark = [pytest.mark.spark, pytest.mark.slow]

_THREE_HOURS_LATER = 180


@pytest.fixture
def scenario(spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scenario]:
    monkeypatch.setattr(rewrite_commit, "_BUSY_WITHIN_SECONDS", 0.0)
    yield new_scenario(spark, Settings(home=tmp_path / "home"))
    gc.collect()  # here, where the sockets that py4j left are expected


def _fill_an_hour(scenario: Scenario) -> None:
    """Seven batches: six in the hour of 09:40, one three hours later, which closes it."""
    scenario.send(*trades(1, 12), b"no trade", trade(13, _THREE_HOURS_LATER))
    scenario.run(rows_a_batch=2)


def test_after_compaction_the_stream_goes_on_and_restarts_where_it_was(scenario: Scenario) -> None:
    _fill_an_hour(scenario)
    gold, silver_files = scenario.gold(), len(paths(scenario.settings, SILVER))
    reports = {table.name: compact(scenario.settings, table) for table in TABLES}
    assert reports[SILVER.name].rewritten[0].rows == 12
    assert reports[BRONZE.name].rewritten[0].rows == 12
    assert reports[GOLD.name].results == ()
    assert len(paths(scenario.settings, SILVER)) < silver_files
    scenario.require_proven()

    scenario.send(trade(14, _THREE_HOURS_LATER + 1), trade(3, 1), trade(1, 5, symbol="ETHUSDT"))
    scenario.run()
    scenario.kill()
    scenario.send(trade(15, _THREE_HOURS_LATER + 2))
    scenario.run()
    scenario.stop()
    assert scenario.count(BRONZE.name) == 18
    assert scenario.count(SILVER.name) == 16
    assert scenario.audits[-2].duplicates == 1
    assert [row for row in scenario.gold() if row in gold] == gold
    scenario.require_proven()


def test_a_compaction_between_a_batch_and_its_count_does_not_look_like_lost_rows(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    _fill_an_hour(scenario)
    scenario.started()
    rewritten: list[GroupResult] = []
    summaries = DriverTable.summaries

    def compact_meanwhile(table: DriverTable, key: str) -> Iterator[tuple[int, Mapping[str, str | None]]]:
        if table.contract is SILVER and not rewritten:
            rewritten.extend(compact(scenario.settings, SILVER).rewritten)
        return summaries(table, key)

    monkeypatch.setattr(DriverTable, "summaries", compact_meanwhile)
    scenario.send(trade(14, _THREE_HOURS_LATER + 1))
    scenario.run()
    assert [group.rows for group in rewritten] == [12]
    scenario.kill()
    scenario.stop()
    scenario.require_proven()
