"""`firehose status` on real homes: an empty one, one with a lake at rest, one whose catalog is broken."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from pyiceberg.manifest import DataFile, DataFileContent, FileFormat

from firehose_dagster.cli import app
from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS
from firehose_dagster.contracts.position import AUDIT, WATERMARK
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.gateway.status import status_path, write_status
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.settings import Settings
from firehose_dagster.status import look as look_module
from firehose_dagster.status.look import look
from firehose_dagster.status.rendering import to_json, to_text
from firehose_dagster.status.report import CompletenessHealth
from firehose_dagster.streams.progress import StreamProgress, progress_path
from firehose_dagster_tests.gateway.examples import GATEWAY_STATUS
from firehose_dagster_tests.verification.small_lake import append, small_lake, write


def _gateway_status(settings: Settings, updated_at: datetime) -> None:
    settings.state_dir.mkdir(parents=True)
    status = msgspec.structs.replace(GATEWAY_STATUS, pid=os.getpid(), started_at=updated_at, updated_at=updated_at)
    write_status(settings, status)


def test_a_home_where_nothing_ever_ran_is_unusable_and_stays_empty(tmp_path: Path) -> None:
    report = look(Settings(home=tmp_path / "new"))
    assert (report.health, report.tables) == ("unusable", [])
    assert "there is no lake" in report.reasons[0]
    assert not (tmp_path / "new").exists()


def test_a_lake_at_rest_tells_its_tables_and_that_nothing_runs(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    report = look(settings)
    silver = next(each for each in report.tables if each.name == SILVER.name)
    assert silver.rows == open_catalog(settings).load_table(SILVER.identifier).scan().count()
    assert (silver.data_files, silver.partitions, silver.most_files_in_a_partition) == (2, 2, 1)
    assert report.health == "degraded"
    assert [reason.split(":")[0] for reason in report.reasons] == ["no stream runs", "no gateway runs"]


def test_the_newest_maintenance_of_each_kind_is_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    now = datetime.now(UTC)
    record(
        open_catalog(settings),
        *(
            MaintenanceRecord(f"r/{kind}/{hours}", kind, now - timedelta(hours=hours), now - timedelta(hours=hours), {})
            for kind, hours in (("expiry:a", 2), ("expiry:b", 1), ("orphans:a", 300), ("compaction:a", 5))
        ),
    )
    told = {each.kind: (each.finished_at, each.tables) for each in look(settings).maintenance}
    assert told == {"expiry": (now - timedelta(hours=1), 2), "compaction": (now - timedelta(hours=5), 1)}


def test_what_silver_tells_is_found_behind_a_commit_of_maintenance(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    batch = '{"started_at":"2026-01-01T10:20:00Z","finished_at":"2026-01-01T10:20:01.5Z"}'
    append(settings, SILVER, [], {AUDIT: batch, WATERMARK: "1767262800000000"})
    append(settings, SILVER, [], {})
    streams = look(settings).streams
    assert (streams.batch_ms, streams.watermark) == (1_500, datetime(2026, 1, 1, 10, 20, tzinfo=UTC))


def _sealed(moment: datetime, checked_at: datetime) -> dict[str, Any]:
    """The hour of the moment, of which all is held."""
    return {
        "symbol": "ALPHA",
        "hour": moment.replace(minute=0, second=0, microsecond=0),
        "expected": 10,
        "present": 10,
        "exchange_holes": 0,
        "missing": 0,
        "missing_ranges": "[]",
        "is_sealed": True,
        "seal_version": 1,
        "silver_snapshot_id": 1,
        "checked_at": checked_at,
    }


def test_of_completeness_the_newest_look_at_each_hour_of_the_last_day_counts(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    now = datetime.now(UTC)
    sealed = _sealed(now, checked_at=now)
    before = sealed | {"present": 7, "missing": 3, "is_sealed": False, "checked_at": now - timedelta(minutes=5)}
    long_ago = before | {"symbol": "BETA", "hour": now - timedelta(hours=25)}
    append(settings, OPS_COMPLETENESS, [sealed, before, long_ago], {})
    assert look(settings).completeness == CompletenessHealth(hours=1, sealed=1, missing_ids=0, looked_at=now)


def _stream_runs(settings: Settings, monkeypatch: pytest.MonkeyPatch, **shown: Any) -> None:
    monkeypatch.setattr(look_module, "lease_is_held", lambda _: True)
    now = datetime.now(UTC)
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    progress = StreamProgress(pid=1, started_at=now, updated_at=now, batches=1)
    progress_path(settings).write_bytes(msgspec.json.encode(msgspec.structs.replace(progress, **shown)))


def test_a_stream_whose_layer_fails_is_degraded_and_says_which(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    _stream_runs(settings, monkeypatch, failing="crypto_silver_trades failed: OSError: full")
    assert "the stream takes batches into bronze alone: crypto_silver_trades failed: OSError: full" in (
        look(settings).reasons
    )


@pytest.mark.parametrize(("looked_minutes_ago", "is_overdue"), [(75, True), (55, False)])
def test_completeness_that_has_not_looked_for_an_hour_of_trades_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looked_minutes_ago: int, is_overdue: bool
) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    now = datetime.now(UTC)
    append(settings, SILVER, [], {WATERMARK: str(round((now - timedelta(minutes=10)).timestamp() * 1_000_000))})
    looked = _sealed(now - timedelta(hours=2), checked_at=now - timedelta(minutes=looked_minutes_ago))
    append(settings, OPS_COMPLETENESS, [looked], {})
    _stream_runs(settings, monkeypatch, started_at=now - timedelta(hours=3))
    assert any("does `completeness` run?" in reason for reason in look(settings).reasons) == is_overdue


def test_a_partition_of_too_many_files_is_told(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    table = open_catalog(settings).load_table(SILVER.identifier)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    (one, *_) = snapshot.manifests(table.io)[0].fetch_manifest_entry(table.io)
    with table.transaction() as transaction, transaction.update_snapshot().fast_append() as appended:
        for number in range(5_001):
            # Listed alone: the status reads no data file.
            appended.append_data_file(
                DataFile.from_args(
                    content=DataFileContent.DATA,
                    file_path=f"{table.location()}/data/{number}.parquet",
                    file_format=FileFormat.PARQUET,
                    partition=one.data_file.partition,
                    record_count=1,
                    file_size_in_bytes=1,
                    _table_format_version=2,
                )
            )
    report = look(settings)
    silver = next(each for each in report.tables if each.name == SILVER.name)
    assert (silver.partitions, silver.most_files_in_a_partition) == (2, 5_002)
    assert f"{SILVER.name} has 5,002 files in a partition: does `compact` run?" in report.reasons


def test_a_gateway_whose_status_cannot_be_read_does_not_run(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir(parents=True)
    status_path(settings).write_text("{")
    gateway = look(settings).gateway
    assert not gateway.running
    assert gateway.last_error is not None
    assert "cannot be read" in gateway.last_error


def test_a_gateway_that_fell_silent_does_not_run(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    _gateway_status(settings, datetime.now(UTC))
    gateway = look(settings).gateway
    assert (gateway.running, gateway.connections, gateway.connections_planned) == (True, 1003, 1004)
    stale = Settings(home=tmp_path / "stale")
    _gateway_status(stale, datetime.now(UTC) - timedelta(minutes=1))
    assert not look(stale).gateway.running


def test_a_broken_catalog_is_told_not_raised(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    settings.lake_dir.mkdir(parents=True)
    (settings.lake_dir / "catalog.db").write_bytes(b"no database" * 200)
    report = look(settings)
    assert report.health == "unusable"
    assert "cannot be read" in report.reasons[0]


def test_json_is_for_monitors_and_text_for_people(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    report = look(settings)
    told = json.loads(to_json(report))
    assert told["health"] == "degraded"
    assert told["streams"]["running"] is False
    text = to_text(report)
    assert text.startswith(f"degraded  {tmp_path}")
    assert "crypto_silver_trades" in text
    assert "streams       not running" in text


def test_the_command_ends_with_the_monitors_code(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    home = str(tmp_path / "new")
    assert app(["status", "--format", "json", "--home", home], result_action="return_value") == 2
    assert json.loads(capsys.readouterr().out)["home"] == home
