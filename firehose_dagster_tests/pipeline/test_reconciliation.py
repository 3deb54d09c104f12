"""`firehose reconcile` on a real topic: what silver and bronze lost comes back by the real stream, exactly once."""

from collections.abc import Callable
from pathlib import Path

import pytest

from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.completeness.look import look
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded
from firehose_dagster_tests.streams.scenario import trade, trades

pytestmark = [pytest.mark.stack, pytest.mark.slow]

MakePipeline = Callable[[str], Pipeline]


def _reconcile(pipeline: Pipeline, log: Path, code: int) -> str:
    with pipeline.start("reconcile", log=log) as process:
        ended = process.wait(120)
    text = log.read_text(errors="replace")
    assert ended == code, text[-4000:]
    return text


def test_what_was_lost_comes_back_by_the_topic_and_the_lake_is_proven(
    make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    pipeline = make_pipeline("reconciliation")
    pipeline.make_topic()
    pipeline.produce([*encoded(trades(1, 40)), ("BTCUSDT", b"no trade"), *encoded([trade(41, 120)])])
    pipeline.run("streams", "--until-caught-up", log=tmp_path / "first.log")
    catalog = open_catalog(pipeline.settings)
    look(catalog, pipeline.settings)
    assert "complete before 2026-01-05 11:00 UTC" in _reconcile(pipeline, tmp_path / "clean.log", 0)

    for agg_id in (7, 30):
        catalog.load_table(SILVER.identifier).delete(f"symbol = 'BTCUSDT' and agg_id = {agg_id}")
    found = _reconcile(pipeline, tmp_path / "found.log", 1)
    assert "2 records are missing before 2026-01-05 11:00 UTC; 2 published" in found
    waiting = _reconcile(pipeline, tmp_path / "waiting.log", 1)
    assert "nothing published: the stream has not taken 2 records of the topic yet" in waiting
    pipeline.run("streams", "--until-caught-up", log=tmp_path / "second.log")
    assert pipeline.query(
        "SELECT count(*)::INT AS n, count(DISTINCT agg_id)::INT AS ids, "
        "count(*) FILTER (source = 'replay')::INT AS replayed FROM crypto_silver_trades"
    ) == [{"n": 41, "ids": 41, "replayed": 2}]
    look(catalog, pipeline.settings)
    pipeline.require_proven()

    catalog.load_table(BRONZE.identifier).delete("symbol = 'BTCUSDT' and agg_id = 12")
    assert "1 records are missing" in _reconcile(pipeline, tmp_path / "hole.log", 1)
    pipeline.run("streams", "--until-caught-up", log=tmp_path / "third.log")
    assert pipeline.query(
        "SELECT source, count(*)::INT AS n FROM crypto_bronze_aggtrade WHERE agg_id = 12 GROUP BY 1"
    ) == [{"source": "ws", "n": 1}]
    assert "complete before" in _reconcile(pipeline, tmp_path / "after.log", 0)
    look(catalog, pipeline.settings)
    pipeline.require_proven()
    ends = pipeline.query("SELECT max(kafka_offset)::INT AS last FROM crypto_bronze_aggtrade GROUP BY kafka_partition")
    assert sum(row["last"] + 1 for row in ends) == 42 + 3
