"""A stream on a real topic: bad input leaves it alive, a kill leaves no trace, Spark's own shell reads the lake."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from firehose_dagster.streams.progress import read_progress
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded, wait_until
from firehose_dagster_tests.streams.scenario import trade
from firehose_dagster_tests.transforms.bad_messages import BAD_MESSAGES

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MakePipeline = Callable[[str], Pipeline]


def _silver_rows(pipeline: Pipeline) -> int:
    progress = read_progress(pipeline.settings)
    return 0 if progress is None else progress.silver


def test_forced_errors_are_quarantined_by_name_and_the_stream_lives_on(
    make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    pipeline = make_pipeline("errors")
    pipeline.make_topic()
    log = tmp_path / "streams.log"
    good = [trade(agg_id, agg_id / 10) for agg_id in range(1, 101)]
    conflict = {**good[3], "price": "7"}
    pipeline.produce(encoded(good[:50]))
    with pipeline.start("streams", log=log) as stream:
        try:
            wait_until(lambda: _silver_rows(pipeline) == 50, stream, log)
            pipeline.produce([*(("BTCUSDT", bad.value) for bad in BAD_MESSAGES), *encoded([conflict])])
            pipeline.produce(encoded(good[50:]))
            wait_until(lambda: _silver_rows(pipeline) == 100, stream, log)
            shown = pipeline.run(
                "spark-sql",
                "select symbol, count(*) from lake.crypto.crypto_bronze_aggtrade where raw is null "
                "and event_ts >= timestamp'2026-01-05 09:40:00' group by symbol",
                log=tmp_path / "spark-sql.log",
            )
            assert "BTCUSDT\t101" in shown  # the conflicting one is of good form
        finally:
            stream.send_signal(signal.SIGTERM)
        assert stream.wait(60) == 0
    quarantined = pipeline.query("SELECT reasons FROM crypto_quarantine ORDER BY kafka_offset")
    assert [list(row["reasons"]) for row in quarantined] == [
        *(bad.reasons for bad in BAD_MESSAGES),
        ["same_id_has_same_content"],
    ]
    pipeline.require_proven()


def test_a_stream_killed_in_the_middle_goes_on_where_silver_is(make_pipeline: MakePipeline, tmp_path: Path) -> None:
    made = make_pipeline("killed").settings
    pipeline = Pipeline(made.model_copy(update={"max_rows_per_batch": 100, "trigger_interval_ms": 0}))
    pipeline.make_topic()
    count = 4_000
    pipeline.produce(encoded(trade(agg_id, agg_id / 100) for agg_id in range(1, count + 1)))
    log = tmp_path / "killed.log"
    with pipeline.start("streams", log=log) as stream:
        wait_until(lambda: _silver_rows(pipeline) >= 300, stream, log)
        os.kill(stream.pid, signal.SIGKILL)
    again = Pipeline(pipeline.settings.model_copy(update={"max_rows_per_batch": 1_700}))
    again.run("streams", "--until-caught-up", log=tmp_path / "again.log")
    (row,) = again.query(
        "SELECT count(*)::BIGINT AS n, count(DISTINCT agg_id)::BIGINT AS ids FROM crypto_silver_trades"
    )
    assert row == {"n": count, "ids": count}
    assert again.query("SELECT sum(duplicates)::BIGINT AS n FROM ops_audit") == [{"n": 0}]
    again.require_proven()
