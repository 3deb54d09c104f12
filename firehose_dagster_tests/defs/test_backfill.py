"""The archive as a partitioned asset: a day published, told, and compared with what silver holds."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from confluent_kafka import Producer

from firehose_dagster.archive.opening import BackfillOptionsError
from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.defs import backfill
from firehose_dagster.defs.backfill import CHECK, ArchiveConfig, archive_days
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster_tests.archive.conftest import DAY, fill_silver, line, silver_row, write_day
from firehose_dagster_tests.gateway.conftest import Broker

OTHER = ArchiveDay("BTCUSDT", DAY.day)


@pytest.fixture(scope="module")
def mock_cluster() -> Producer:
    return Producer({"test.mock.num.brokers": 1, "log_level": 2})


@pytest.fixture
def broker(mock_cluster: Producer, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Broker:
    broker = Broker(mock_cluster, request.node.name[:200])
    monkeypatch.setenv("FIREHOSE_KAFKA_BOOTSTRAP", broker.bootstrap_servers)
    monkeypatch.setenv("FIREHOSE_TOPIC", broker.topic)
    monkeypatch.setenv("FIREHOSE_SYMBOLS", "ETHUSDT")
    return broker


def _run(tmp_path: Path, *symbols: str, fails: bool = False) -> dg.ExecuteInProcessResult:
    config = ArchiveConfig(symbols=list(symbols), archive_dir=str(tmp_path / "archive"))
    return dg.materialize(
        [archive_days],
        partition_key="2026-01-05",
        run_config=dg.RunConfig(ops={"archive_days": config}),
        resources={"firehose": FirehoseResource(home=str(tmp_path / "home"))},
        raise_on_error=not fails,
    )


def _shown(result: dg.ExecuteInProcessResult) -> dict[str, Any]:
    (event,) = result.get_asset_materialization_events()
    assert event.materialization.partition == "2026-01-05"
    return {key: value.value for key, value in event.materialization.metadata.items()}


def test_a_day_of_the_symbols_in_the_settings_is_published_and_told(broker: Broker, tmp_path: Path) -> None:
    write_day(tmp_path / "archive", [line(1), line(2), line(4)])
    result = _run(tmp_path)
    shown = _shown(result)
    assert (shown["rows in the files"], shown["ids"], shown["published"], shown["held before"]) == (3, 3, 3, 0)
    assert shown["id ranges"] == {"ETHUSDT": [1, 4]}
    assert len(shown["SHA-256"]["ETHUSDT"]) == 64
    assert [record.message["agg_id"] for record in broker.records()] == [1, 2, 4]
    (check,) = result.get_asset_check_evaluations()
    # Without a stream silver cannot hold it yet: no verdict is made up.
    assert (check.check_name, check.passed, check.severity) == (CHECK, False, dg.AssetCheckSeverity.WARN)


def test_a_symbol_without_a_file_stops_no_other(broker: Broker, tmp_path: Path) -> None:
    write_day(tmp_path / "archive", [line(1)])
    shown = _shown(_run(tmp_path, "BTCUSDT", "ETHUSDT"))
    assert shown["published"] == 1
    assert "holds no BTCUSDT-aggTrades-2026-01-05.zip" in shown["symbols without a file"][0]


def test_a_day_of_which_nobody_has_a_file_fails(broker: Broker, tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    assert not _run(tmp_path, fails=True).success
    assert broker.records() == []


def test_after_the_stream_has_passed_silver_is_compared_with_the_archive(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_catalog(Settings(home=tmp_path / "home"))
    create_tables(catalog)
    fill_silver(catalog, [silver_row(1), silver_row(2, "7.00000000")])
    write_day(tmp_path / "archive", [line(1), line(2), line(3)])
    # The stream's own part of it is tested with a real one, in `pipeline`.
    monkeypatch.setattr(backfill, "lease_is_held", lambda _: True)
    monkeypatch.setattr(backfill, "wait_until_passed", lambda *_: None)
    (check,) = _run(tmp_path).get_asset_check_evaluations()
    assert not check.passed
    assert check.severity == dg.AssetCheckSeverity.ERROR
    assert {key: check.metadata[key].value for key in ("missing in silver", "missing in archive", "differing")} == {
        "missing in silver": 1,
        "missing in archive": 0,
        "differing": 1,
    }


def test_all_symbols_must_be_named(broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREHOSE_SYMBOLS", "ALL")
    with pytest.raises(BackfillOptionsError, match="name the symbols"):
        _run(tmp_path)


def test_the_partitions_are_the_days_from_the_first_of_the_archive_to_yesterday() -> None:
    partitions = archive_days.partitions_def
    assert isinstance(partitions, dg.DailyPartitionsDefinition)
    keys = partitions.get_partition_keys()
    assert keys[0] == "2017-08-17"
    assert date.fromisoformat(keys[-1]) < datetime.now(UTC).date()
