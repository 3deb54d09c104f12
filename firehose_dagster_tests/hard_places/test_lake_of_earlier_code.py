"""A lake that an earlier commit made, and left by a kill, is opened by this one, goes on, and is proven."""

import os
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.lake import catalog as catalog_module
from firehose_dagster.lake.catalog import LakeDiffersError, create_tables, open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import read_progress
from firehose_dagster_tests.hard_places.earlier_code import WITHOUT_DETAIL, earlier_code
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded, wait_until
from firehose_dagster_tests.streams.scenario import new_scenario, trade, trades

pytestmark = pytest.mark.slow

MakePipeline = Callable[[str], Pipeline]


@pytest.mark.stack
@pytest.mark.long
@pytest.mark.parametrize("which", ["previous", "contracts", "foundation"])
def test_a_lake_that_earlier_code_was_killed_on_is_gone_on_with_and_proven(
    make_pipeline: MakePipeline, tmp_path: Path, which: str
) -> None:
    earlier = earlier_code(which, tmp_path / "earlier")
    if which == "foundation":
        assert WITHOUT_DETAIL not in earlier.contract_source()
    made = make_pipeline(f"earlier-{which}").settings
    # Batches of a few rows, so that the kill finds audit rows in the buffer.
    pipeline = Pipeline(made.model_copy(update={"max_rows_per_batch": 40, "trigger_interval_ms": 0}))
    pipeline.make_topic()
    calm = [trade(agg_id, agg_id / 4, price="100", qty="1") for agg_id in range(1, 161)]
    pipeline.produce([*encoded(calm[:120]), ("BTCUSDT", b"no trade"), *encoded(calm[:5])])
    log = tmp_path / "earlier.log"
    with earlier.start(pipeline.settings, "streams", log=log) as stream:
        wait_until(lambda: _silver_rows(pipeline) == 120, stream, log)
        os.kill(stream.pid, signal.SIGKILL)
    assert str(earlier.folder) not in str(catalog_module.__file__)
    assert list(pipeline.settings.checkpoint_dir.iterdir()), "no checkpoint was left"

    spike = trade(161, 160 / 4, price="100", qty="50")
    pipeline.produce(encoded([*calm[100:], spike, {**calm[7], "price": "7"}, *trades(1, 4, symbol="ETHUSDT")]))
    pipeline.run("streams", "--until-caught-up", log=tmp_path / "now.log")
    counts = "SELECT symbol, count(*)::BIGINT AS n FROM crypto_silver_trades GROUP BY symbol ORDER BY symbol"
    assert pipeline.query(counts) == [{"symbol": "BTCUSDT", "n": 161}, {"symbol": "ETHUSDT", "n": 4}]
    assert pipeline.query("SELECT count(*)::BIGINT AS n FROM crypto_quarantine") == [{"n": 2}]
    assert pipeline.query("SELECT count(*)::BIGINT AS n FROM crypto_spikes") == [{"n": 1}]
    (audit,) = pipeline.query("SELECT sum(rows_in)::BIGINT AS n, count(detail)::BIGINT AS details FROM ops_audit")
    assert audit == {"n": 126 + 60 + 1 + 1 + 4, "details": 0}
    pipeline.require_proven()


@pytest.mark.spark
def test_a_table_that_lacks_the_newest_column_gains_it_and_holds_old_and_new_rows(
    spark: SparkSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without = replace(OPS_AUDIT, columns=tuple(each for each in OPS_AUDIT.columns if each.name != "detail"))
    with monkeypatch.context() as earlier:
        earlier.setattr(catalog_module, "TABLES", tuple(without if each is OPS_AUDIT else each for each in TABLES))
        scenario = new_scenario(spark, Settings(home=tmp_path / "home"))
        scenario.send(*trades(1, 4))
        scenario.run()
        scenario.stop()
    assert "detail" not in scenario.catalog.load_table(OPS_AUDIT.identifier).schema().column_names
    create_tables(scenario.catalog)
    scenario.send(*trades(5, 8, minute=2))
    scenario.run()
    scenario.stop()
    rows = scenario.query("SELECT rows_in, detail FROM ops_audit ORDER BY started_at")
    assert rows == [{"rows_in": 4, "detail": None}, {"rows_in": 4, "detail": None}]
    scenario.require_proven()


def test_a_table_whose_column_is_of_another_type_is_refused_in_one_line_that_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_catalog(Settings(home=tmp_path))
    create_tables(catalog)
    widths = {each.name: each.type for each in OPS_AUDIT.columns}
    columns = tuple(
        replace(each, type=widths["kind"]) if each.name == "batch_id" else each for each in OPS_AUDIT.columns
    )
    monkeypatch.setattr(catalog_module, "TABLES", (replace(OPS_AUDIT, columns=columns),))
    with pytest.raises(LakeDiffersError) as refused:
        create_tables(catalog)
    assert str(refused.value).startswith("table crypto.ops_audit, column batch_id: the lake holds long, ")
    assert "use the version that made this lake, or a new home" in str(refused.value)
    assert "\n" not in str(refused.value)


def _silver_rows(pipeline: Pipeline) -> int:
    progress = read_progress(pipeline.settings)
    return 0 if progress is None else progress.silver
