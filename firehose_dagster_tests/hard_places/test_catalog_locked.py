"""A catalog that another process has locked: the batch waits, or fails by the file's name; on it goes by itself."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.lake.catalog import open_catalog, sqlite_path
from firehose_dagster.lake.trouble import LakeTroubleError, told
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.programs import STREAMS, streams_program
from firehose_dagster.settings import Settings
from firehose_dagster.streams.host import run_streams
from firehose_dagster.streams.progress import read_progress
from firehose_dagster_tests.faults.waiting import wait_until
from firehose_dagster_tests.hard_places.held_catalog import held_catalog
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded
from firehose_dagster_tests.streams.scenario import Scenario, new_scenario, trade, trades

pytestmark = pytest.mark.slow

MakePipeline = Callable[[str], Pipeline]
PATIENCE_SECONDS = 150.0
LOCKED_SECONDS = 6.0
"""Longer than SQLite's drivers wait by themselves: 5 s in Python, 3 s in Java."""


@pytest.mark.spark
@pytest.mark.parametrize("kind", ["exclusive", "immediate"])
def test_a_batch_that_meets_a_lock_longer_than_the_wait_fails_by_the_files_name_and_is_repaired_afterwards(
    spark: SparkSession, tmp_path: Path, kind: str
) -> None:
    settings = Settings(home=tmp_path / "home", catalog_wait_seconds=1)
    scenario = new_scenario(spark, settings)
    scenario.send(*trades(1, 6))
    scenario.run(rows_a_batch=3)
    scenario.send(*trades(7, 9, minute=3), b"no trade")
    with held_catalog(settings, kind):
        failure = _failure(scenario)
    assert f"the catalog {sqlite_path(settings)} was locked by another process for more than 1 s" in failure
    assert "\n" not in failure
    scenario.kill()
    scenario.run()
    scenario.stop()
    assert scenario.count("crypto_silver_trades") == 9
    scenario.require_proven()


@pytest.mark.spark
def test_a_batch_that_meets_a_shorter_lock_waits_for_it(spark: SparkSession, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", catalog_wait_seconds=60)
    scenario = new_scenario(spark, settings)
    scenario.send(*trades(1, 6))
    scenario.run()
    before = _data_files(settings)
    scenario.send(*trades(7, 9, minute=3))
    batch = threading.Thread(target=scenario.run)
    with held_catalog(settings, "immediate"):
        batch.start()
        # Bronze's file is there, its commit waits.
        assert wait_until(lambda: _data_files(settings) > before, PATIENCE_SECONDS)
        batch.join(LOCKED_SECONDS)
        assert batch.is_alive()
    batch.join(PATIENCE_SECONDS)
    assert not batch.is_alive()
    scenario.stop()
    assert scenario.count("crypto_silver_trades") == 9
    scenario.require_proven()


def test_a_commit_without_a_jvm_that_meets_a_shorter_lock_waits_for_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", catalog_wait_seconds=60)
    catalog = open_catalog(settings)
    with ThreadPoolExecutor(1) as threads:
        with held_catalog(settings, "immediate"):
            commit = threads.submit(catalog.create_namespace, "later")
            with pytest.raises(TimeoutError):
                commit.result(LOCKED_SECONDS)
        commit.result(PATIENCE_SECONDS)
    assert ("later",) in catalog.list_namespaces()


def test_a_start_that_meets_a_lock_says_so_before_it_starts_a_jvm(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "home", catalog_wait_seconds=1)
    settings.lake_dir.mkdir(parents=True)
    with held_catalog(settings), pytest.raises(LakeTroubleError, match=r"the catalog .*catalog\.db was locked") as met:
        run_streams(settings, threading.Event(), until_caught_up=True)
    assert "\n" not in str(met.value)


@pytest.mark.stack
def test_a_stream_goes_on_by_itself_once_the_lock_is_gone(make_pipeline: MakePipeline) -> None:
    made = make_pipeline("locked").settings
    pipeline = Pipeline(made.model_copy(update={"catalog_wait_seconds": 2}))
    settings = pipeline.settings
    pipeline.make_topic()
    pipeline.produce(encoded(trade(agg_id, agg_id / 10) for agg_id in range(1, 51)))
    with Installation(settings, [streams_program()]) as installation:
        log = installation.log_path(STREAMS)
        installation.start(on_progress=lambda line: None)
        assert wait_until(lambda: _held(settings) == 50, PATIENCE_SECONDS), log.read_text()[-3_000:]
        with held_catalog(settings):
            pipeline.produce(encoded(trade(agg_id, agg_id / 10) for agg_id in range(51, 101)))
            said = f"the catalog {sqlite_path(settings)} was locked by another process for more than 2 s"
            assert wait_until(lambda: f"firehose: the stream stopped: {said}" in log.read_text(), PATIENCE_SECONDS), (
                log.read_text()[-3_000:]
            )
        assert wait_until(lambda: _held(settings) == 100, PATIENCE_SECONDS), log.read_text()[-3_000:]
        installation.stop_program(STREAMS)
    assert pipeline.query("SELECT count(DISTINCT agg_id)::BIGINT AS n FROM crypto_silver_trades") == [{"n": 100}]
    pipeline.require_proven()


def _failure(scenario: Scenario) -> str:
    try:
        scenario.run()
    except Exception as error:  # noqa: BLE001 - whatever Spark, Iceberg or SQLite make of it
        return told(error, scenario.settings)
    raise AssertionError("the batch did not fail")


def _data_files(settings: Settings) -> int:
    return sum(1 for _ in settings.lake_dir.rglob("*.parquet"))


def _held(settings: Settings) -> int:
    """Offsets that silver holds, as the stream shows it."""
    progress = read_progress(settings)
    return 0 if progress is None else sum(progress.offsets.values())
