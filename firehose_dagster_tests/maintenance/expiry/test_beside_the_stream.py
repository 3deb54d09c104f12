"""Expiry while the real stream writes by Spark and Iceberg's Java library: no batch fails, nothing is lost."""

import gc
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.expiry.lake import EXPIRY_ORDER, what_is_needed
from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy
from firehose_dagster.maintenance.expiry.table_expiry import Expiry, ExpiryOutcome
from firehose_dagster.maintenance.orphans.removal import remove_orphans
from firehose_dagster.settings import Settings
from firehose_dagster_tests.streams.scenario import Scenario, new_scenario, trades

pytestmark = [pytest.mark.spark, pytest.mark.slow]

SOON = ExpiryPolicy(timedelta(seconds=5), 1)
"""Longer than the stream's own reads take, as any smallest age that can be set."""


@pytest.fixture
def scenario(spark: SparkSession, tmp_path: Path) -> Iterator[Scenario]:
    yield new_scenario(spark, Settings(home=tmp_path / "home"))
    gc.collect()  # here, where the sockets that py4j left are expected


def _expire_all(settings: Settings) -> dict[str, ExpiryOutcome]:
    catalog = open_catalog(settings)
    return {
        table.name: Expiry(settings, catalog, table.name, table.identifier).run(what_is_needed(catalog, table), SOON)
        for table in EXPIRY_ORDER
    }


def test_expiry_beside_a_stream_that_writes_and_restarts(scenario: Scenario) -> None:
    scenario.send(*trades(1, 20))
    scenario.run(rows_a_batch=10)
    stop, failures, runs = threading.Event(), list[BaseException](), list[dict[str, ExpiryOutcome]]()

    def expire_again_and_again() -> None:
        try:
            while not stop.is_set():
                runs.append(_expire_all(scenario.settings))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    expiry = threading.Thread(target=expire_again_and_again)
    expiry.start()
    try:
        for first in range(21, 81, 20):
            scenario.send(*trades(first, first + 19, minute=first / 2))
            scenario.run(rows_a_batch=5)
    finally:
        stop.set()
        expiry.join()
    assert failures == []
    assert sum(run[BRONZE.name].snapshots_expired for run in runs) > 0
    _expire_all(scenario.settings)
    # What is left is enough to find where to go on, for the audit and for gold.
    scenario.kill()
    scenario.send(*trades(81, 90, minute=60))
    scenario.run()
    scenario.require_proven()
    assert scenario.count(SILVER.name) == 90
    for table in TABLES:
        assert remove_orphans(scenario.settings, scenario.catalog, table, dry_run=True) is not None
