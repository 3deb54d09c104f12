"""The demo command over real recordings: the lake is what the files say, value for value."""

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from firehose_dagster.contracts.trade_tables import GOLD, GOLD_PROVENANCE_COLUMNS
from firehose_dagster_tests.pipeline.recorded_trades import (
    SILVER_QUERY,
    Trade,
    archive_lines,
    message,
    of_archive,
    of_captures,
    of_rest_capture,
    of_silver,
)
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded

pytestmark = [pytest.mark.stack, pytest.mark.slow]

XRP_ROWS = 12_477
_GOLD_QUERY = (
    f"SELECT {', '.join(name for name in GOLD.column_names if name not in GOLD_PROVENANCE_COLUMNS)} "  # noqa: S608 names of the contract
    "FROM crypto_gold_minute ORDER BY symbol, minute"
)
MakePipeline = Callable[[str], Pipeline]


def _demo(pipeline: Pipeline, option: str, files: Sequence[Path], log: Path) -> str:
    names = [str(path) for path in files]
    return pipeline.run("demo", option, *names, "--speed", "0", "--until-caught-up", "--no-ui", log=log)


def _silver(pipeline: Pipeline) -> list[Trade]:
    return of_silver(pipeline.query(SILVER_QUERY))


def _require_same(found: Sequence[Trade], expected: Sequence[Trade]) -> None:
    assert len(found) == len(expected)
    assert set(found) == set(expected)


@pytest.fixture(scope="module")
def xrp(recordings: Path) -> list[Trade]:
    trades = of_rest_capture(recordings / "rest" / "XRP_OLD-trades.json.gz", "XRPETH")
    assert len(trades) == XRP_ROWS
    return trades


@pytest.fixture(scope="module")
def xrp_lake(make_pipeline: MakePipeline, xrp: list[Trade], tmp_path_factory: pytest.TempPathFactory) -> Pipeline:
    """59 hours of one symbol, through the whole chain in the order of the exchange."""
    folder = tmp_path_factory.mktemp("xrp-archive")
    archive = folder / "XRPETH-aggTrades-2019-10-11.csv"
    archive.write_text(archive_lines(xrp))
    pipeline = make_pipeline("xrp")
    _demo(pipeline, "--archive", [archive], folder / "demo.log")
    return pipeline


def test_captured_frames_are_in_silver_value_for_value(
    make_pipeline: MakePipeline, recordings: Path, tmp_path: Path
) -> None:
    captures = sorted(path for path in (recordings / "spot_ws").iterdir() if path.name.startswith("BINANCE"))
    expected = sorted(of_captures(captures))
    assert len(expected) > 3_000
    pipeline = make_pipeline("captures")
    _demo(pipeline, "--recording", captures, tmp_path / "demo.log")
    _require_same(_silver(pipeline), expected)
    assert pipeline.query("SELECT count(*)::BIGINT AS n FROM crypto_quarantine") == [{"n": 0}]
    pipeline.require_proven()


def test_a_daily_archive_is_in_silver_to_the_microsecond(
    make_pipeline: MakePipeline, recordings: Path, tmp_path: Path
) -> None:
    archive = recordings / "archive" / "BTCUSDT-aggTrades-2026-01-01.csv"
    expected = of_archive(archive, "BTCUSDT")
    assert len(expected) == 5_000
    assert any(trade.time_us % 1_000 for trade in expected)
    pipeline = make_pipeline("archive")
    _demo(pipeline, "--archive", [archive], tmp_path / "demo.log")
    _require_same(_silver(pipeline), expected)
    pipeline.require_proven()


def test_59_hours_of_a_quiet_symbol_are_in_silver_and_gold(xrp_lake: Pipeline, xrp: list[Trade]) -> None:
    _require_same(_silver(xrp_lake), xrp)
    xrp_lake.require_proven()
    minutes = {trade.time_us // 60_000_000 for trade in xrp}
    gold = xrp_lake.query(_GOLD_QUERY)
    assert len(gold) == len(minutes)
    assert sum(row["trades"] for row in gold) == XRP_ROWS
    assert [row["is_complete"] for row in gold] == [False] + [True] * (len(gold) - 1)


def test_the_same_trades_shuffled_and_twice_give_the_same_silver_and_gold(
    xrp_lake: Pipeline, xrp: list[Trade], make_pipeline: MakePipeline, tmp_path: Path
) -> None:
    messages = [message(trade) for trade in xrp] * 2
    random.Random(7).shuffle(messages)
    pipeline = make_pipeline("shuffled")
    pipeline = Pipeline(pipeline.settings.model_copy(update={"max_rows_per_batch": 6_000}))
    pipeline.make_topic()
    pipeline.produce(encoded(messages))
    printed = pipeline.run("streams", "--until-caught-up", log=tmp_path / "streams.log")
    assert f"rows in {2 * XRP_ROWS}, silver {XRP_ROWS}, quarantine 0, duplicates {XRP_ROWS}" in printed
    _require_same(_silver(pipeline), xrp)
    assert pipeline.query(_GOLD_QUERY) == xrp_lake.query(_GOLD_QUERY)
    pipeline.require_proven()
