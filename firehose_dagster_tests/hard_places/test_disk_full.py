"""A disk that is full at any moment of a batch: a clear word, nothing half, and on it goes once there is room."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER
from firehose_dagster.lake.trouble import told
from firehose_dagster.settings import Settings
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.progress import read_progress
from firehose_dagster_tests.hard_places.small_disk import small_disk
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded, wait_until
from firehose_dagster_tests.streams.scenario import Scenario, new_scenario, trade

pytestmark = [pytest.mark.slow]

MakePipeline = Callable[[str], Pipeline]
ROOMS_KB = (0, 32, 96, *range(128, 640, 32))
"""From no room for the first file of bronze to room for nearly the whole batch."""


@pytest.mark.spark
def test_a_lake_whose_disk_is_full_at_any_step_of_a_batch_ends_proven_once_there_is_room(
    spark: SparkSession, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path / "home")
    failed_at: set[str] = set()
    with small_disk(settings.lake_dir, megabytes=48) as disk:
        scenario = new_scenario(spark, settings)
        scenario.send(*[trade(agg_id, agg_id, price="100", qty="1") for agg_id in range(1, 13)])
        scenario.run()
        for number, room_kb in enumerate(ROOMS_KB):
            first = 13 + 5 * number
            scenario.send(*_batch(first))
            disk.fill(room_kb * 1_024)
            failed_at.add(_failing_table(scenario))
            scenario.kill()
            disk.make_room()
            scenario.run(rows_a_batch=4)
            scenario.stop()
            scenario.require_proven()
        assert scenario.count("crypto_silver_trades") == 12 + 5 * len(ROOMS_KB)
    assert failed_at >= {BRONZE.name, QUARANTINE.name, SILVER.name, GOLD.name}


def _batch(first: int) -> list[dict[str, object] | bytes]:
    """Five trades of which the last is a spike, a repeated one, and a message that is none."""
    calm = [trade(agg_id, agg_id, price="100", qty="1") for agg_id in range(first, first + 4)]
    return [*calm, calm[0], b"no trade", trade(first + 4, first + 4, price="100", qty="50")]


def _failing_table(scenario: Scenario) -> str:
    """The table that the batch could not write; "" where there was room enough."""
    try:
        scenario.run()
        scenario.stop()
    except Exception as error:  # noqa: BLE001 - whatever Spark, Iceberg or SQLite make of it
        text = told(error, scenario.settings)
        assert f"the disk that holds {scenario.settings.lake_dir} is full (0 MB free of 50): make room" in text
        assert "\n" not in text
        return error.table.name if isinstance(error, LayerFailedError) else BRONZE.name
    return ""


@pytest.mark.stack
def test_a_stream_whose_home_is_full_stops_with_one_line_and_goes_on_once_there_is_room(
    make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    pipeline = make_pipeline("full")
    home = pipeline.settings.home
    pipeline.make_topic()
    log = tmp_path / "streams.log"
    with small_disk(home, megabytes=64) as disk:
        pipeline.produce(encoded(trade(agg_id, agg_id / 10) for agg_id in range(1, 51)))
        with pipeline.start("streams", log=log) as stream:
            wait_until(lambda: _silver_rows(pipeline) == 50, stream, log)
            disk.fill()
            pipeline.produce(encoded(trade(agg_id, agg_id / 10) for agg_id in range(51, 101)))
            assert stream.wait(120) == 2, log.read_text()[-4_000:]
        last = log.read_text().splitlines()[-1]
        assert last.startswith("firehose: the stream stopped: the disk that holds "), last
        assert "is full (0 MB free of 67): make room there, the rest goes by itself (" in last
        # Nothing can start on it, and that is told as clearly.
        with pipeline.start("streams", "--until-caught-up", log=tmp_path / "again.log") as again:
            assert again.wait(120) == 2, (tmp_path / "again.log").read_text()[-4_000:]
        assert "is full (0 MB free of 67): make room" in (tmp_path / "again.log").read_text().splitlines()[-1]
        pipeline.require_proven()
        disk.make_room()
        pipeline.run("streams", "--until-caught-up", log=tmp_path / "room.log")
        assert pipeline.query("SELECT count(DISTINCT agg_id)::BIGINT AS n FROM crypto_silver_trades") == [{"n": 100}]
        pipeline.require_proven()


def _silver_rows(pipeline: Pipeline) -> int:
    progress = read_progress(pipeline.settings)
    return 0 if progress is None else progress.silver
