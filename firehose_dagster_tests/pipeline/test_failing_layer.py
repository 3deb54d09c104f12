"""A layer that fails under a running host: bronze goes on, the layer comes back by itself, the lake is proven."""

import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from firehose_dagster.streams.progress import read_progress
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded, wait_until
from firehose_dagster_tests.streams.scenario import trades

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MakePipeline = Callable[[str], Pipeline]
FAILING_GOLD = "firehose_dagster_tests.pipeline.failing_gold"


def test_bronze_goes_on_while_gold_fails_and_gold_comes_back_by_itself(
    make_pipeline: MakePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_broken, log = tmp_path / "broken", tmp_path / "streams.log"
    monkeypatch.setenv("GOLD_IS_BROKEN", str(is_broken))
    pipeline = make_pipeline("failing")
    pipeline.make_topic()
    pipeline.produce(encoded(trades(1, 50)))
    with pipeline.start("streams", log=log, module=FAILING_GOLD) as stream:
        try:
            # Silver shows before gold is done: gold is to fail on the next batch, not on this one.
            wait_until(lambda: _rows(pipeline, "crypto_gold_minute") > 0, stream, log)
            assert _rows(pipeline, "crypto_silver_trades") == 50
            is_broken.touch()
            pipeline.produce(encoded(trades(51, 100, minute=25)))
            wait_until(lambda: _failing(pipeline) is not None, stream, log)
            pipeline.produce(encoded(trades(101, 160, minute=50)))
            wait_until(lambda: _rows(pipeline, "crypto_bronze_aggtrade") == 160, stream, log)
            assert _rows(pipeline, "crypto_silver_trades") == 100
            assert "crypto_gold_minute failed: OSError: gold's disk is full" in (_failing(pipeline) or "")
            is_broken.unlink()
            wait_until(lambda: _rows(pipeline, "crypto_silver_trades") == 160, stream, log)
            wait_until(lambda: _failing(pipeline) is None, stream, log)
        finally:
            stream.send_signal(signal.SIGTERM)
        assert stream.wait(60) == 0
    pipeline.require_proven()


def test_a_run_to_the_end_with_a_failing_layer_fills_bronze_and_says_what_failed(
    make_pipeline: MakePipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    is_broken, log = tmp_path / "broken", tmp_path / "streams.log"
    monkeypatch.setenv("GOLD_IS_BROKEN", str(is_broken))
    is_broken.touch()
    pipeline = make_pipeline("failing_end")
    pipeline.make_topic()
    pipeline.produce(encoded(trades(1, 50)))
    with pipeline.start("streams", "--until-caught-up", log=log, module=FAILING_GOLD) as stream:
        assert stream.wait(150) == 2
    *_, last = log.read_text().splitlines()
    assert last == (
        "firehose: crypto_gold_minute failed: OSError: gold's disk is full. "
        "Bronze holds the topic; the other layers go on from it at the next start"
    )
    assert _rows(pipeline, "crypto_bronze_aggtrade") == 50
    is_broken.unlink()
    pipeline.run("streams", "--until-caught-up", log=tmp_path / "again.log")
    pipeline.require_proven()


def _rows(pipeline: Pipeline, table: str) -> int:
    return int(pipeline.query(f"SELECT count(*)::BIGINT AS n FROM {table}")[0]["n"])  # noqa: S608 a name of the contract


def _failing(pipeline: Pipeline) -> str | None:
    progress = read_progress(pipeline.settings)
    return None if progress is None else progress.failing
