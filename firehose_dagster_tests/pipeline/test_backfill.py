"""The archive through a real topic and stream: what was missing is there, what was there is not told twice."""

import signal
from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.defs.backfill import ArchiveConfig, archive_days
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.local.environment import settings_environment
from firehose_dagster.maintenance.completeness.look import look
from firehose_dagster_tests.pipeline.recorded_trades import SILVER_QUERY, message, of_archive, of_silver
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded, wait_until

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MakePipeline = Callable[[str], Pipeline]


def test_a_day_collected_with_holes_is_filled_from_the_archive_and_proven_equal(
    make_pipeline: MakePipeline, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = recordings / "archive"
    trades = of_archive(archive / "BTCUSDT-aggTrades-2026-01-01.csv", "BTCUSDT")
    pipeline = make_pipeline("backfill")
    pipeline.make_topic()
    collected = [trade for place, trade in enumerate(trades) if not (100 <= place < 900 or place > 4_800)]
    pipeline.produce(encoded(message(trade) for trade in collected))
    pipeline.run("streams", "--until-caught-up", log=tmp_path / "first.log")
    look(open_catalog(pipeline.settings), pipeline.settings)
    assert pipeline.query("SELECT max(missing) AS missing FROM ops_completeness") == [{"missing": 800}]

    arguments = ["--symbol", "BTCUSDT", "--from", "2026-01-01", "--to", "2026-01-01", "--archive-dir", str(archive)]
    printed = pipeline.run("backfill", *arguments, log=tmp_path / "backfill.log")
    missing = len(trades) - len(collected)
    assert f"BTCUSDT   2026-01-01   5,000   3800397495   3800402494         {len(collected):,}" in printed
    assert f"{missing:,}" in printed

    # As Dagster runs it, while a stream runs: it waits for the stream, and judges.
    log = tmp_path / "streams.log"
    with pipeline.start("streams", log=log) as stream:
        try:
            wait_until(
                lambda: pipeline.query("SELECT count(*)::INT n FROM crypto_silver_trades")[0]["n"] == 5_000, stream, log
            )
            for name, value in settings_environment(pipeline.settings).items():
                monkeypatch.setenv(name, value)
            result = dg.materialize(
                [archive_days],
                partition_key="2026-01-01",
                run_config=dg.RunConfig(
                    ops={"archive_days": ArchiveConfig(symbols=["BTCUSDT"], archive_dir=str(archive))}
                ),
                resources={"firehose": FirehoseResource(home=str(pipeline.settings.home))},
            )
        finally:
            stream.send_signal(signal.SIGTERM)
        assert stream.wait(60) == 0
    (check,) = result.get_asset_check_evaluations()
    assert check.passed
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.metadata["published"].value == 0

    found = of_silver(pipeline.query(SILVER_QUERY))
    assert len(found) == len(trades)
    assert set(found) == set(trades)
    assert pipeline.query("SELECT source, count(*)::INT AS n FROM crypto_silver_trades GROUP BY 1 ORDER BY 1") == [
        {"source": "archive", "n": missing},
        {"source": "rest", "n": len(collected)},
    ]
    day = ["--symbol", "BTCUSDT", "--day", "2026-01-01", "--archive-dir", str(archive)]
    assert pipeline.run("reconcile-day", *day, log=tmp_path / "reconcile.log").rstrip().endswith("\nequal")
    look(open_catalog(pipeline.settings), pipeline.settings)
    pipeline.require_proven()
    assert pipeline.query(
        "SELECT sum(missing)::INT AS missing FROM (SELECT * FROM ops_completeness QUALIFY row_number() OVER "
        "(PARTITION BY symbol, hour ORDER BY checked_at DESC, seal_version DESC) = 1)"
    ) == [{"missing": 0}]
