"""A clock that was set back by an hour: Iceberg takes no commit before the newest one, and that is told as what it is.

The clock is not this test's to set. It is set the other way round: what the tables hold is moved into the future.
"""

import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.trouble import told
from firehose_dagster.settings import Settings
from firehose_dagster_tests.streams.scenario import Scenario, new_scenario, trades

pytestmark = [pytest.mark.slow, pytest.mark.spark]

HOUR_MS = 3_600_000


@pytest.mark.parametrize("table", [BRONZE, SILVER], ids=["bronze", "silver"])
def test_a_batch_behind_a_commit_of_the_future_fails_by_the_clock_and_goes_on_once_that_time_has_come(
    spark: SparkSession, tmp_path: Path, table: Table
) -> None:
    scenario = new_scenario(spark, Settings(home=tmp_path / "home"))
    scenario.send(*trades(1, 6))
    scenario.run()
    scenario.stop()
    _move(scenario, table, HOUR_MS)
    scenario.send(*trades(7, 9, minute=3))
    with pytest.raises(Exception) as failed:  # noqa: PT011 - whatever Spark and Iceberg make of it
        scenario.run()
    text = told(failed.value, scenario.settings)
    assert "this machine's clock was set back: the newest commit of the table lies in its future" in text
    assert "wait until it has passed that time" in text
    assert "\n" not in text
    scenario.kill()
    _move(scenario, table, -HOUR_MS)
    scenario.run()
    scenario.stop()
    assert scenario.count("crypto_silver_trades") == 9
    scenario.require_proven()


@pytest.mark.parametrize("table", [BRONZE, SILVER], ids=["bronze", "silver"])
def test_a_batch_an_hour_after_the_newest_commit_is_like_any_other(
    spark: SparkSession, tmp_path: Path, table: Table
) -> None:
    scenario = new_scenario(spark, Settings(home=tmp_path / "home"))
    scenario.send(*trades(1, 6))
    scenario.run()
    _move(scenario, table, -HOUR_MS)
    scenario.send(*trades(7, 9, minute=3))
    scenario.run()
    scenario.stop()
    scenario.require_proven()


def _move(scenario: Scenario, table: Table, by_ms: int) -> None:
    """Move the times of all commits of a table, in its newest metadata."""
    path = Path(urlsplit(scenario.catalog.load_table(table.identifier).metadata_location).path)
    metadata = json.loads(path.read_text())
    metadata["last-updated-ms"] += by_ms
    for entries in (metadata["snapshots"], metadata["snapshot-log"], metadata["metadata-log"]):
        for entry in entries:
            entry["timestamp-ms"] += by_ms
    path.write_text(json.dumps(metadata))
    # Hadoop's local file system keeps a checksum beside each file.
    path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
