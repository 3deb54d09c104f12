"""The report of a day tells what the tables hold of that day, and of no other."""

from datetime import UTC, date, datetime
from pathlib import Path

from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS
from firehose_dagster.contracts.position import REBUILD, ROWS_LOST
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.daily_report import daily_report
from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import append, small_lake, write

DAY = date(2026, 1, 1)
"""Of every trade and batch of the small lake."""


def test_the_days_figures_are_those_of_the_tables(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    lake = small_lake()
    write(settings, lake)
    at = datetime(2026, 1, 1, 3, 4, 5, tzinfo=UTC)
    record(open_catalog(settings), MaintenanceRecord("r", f"expiry:{OPS_AUDIT.name}", at, at, {}))
    report = daily_report(settings, DAY)
    assert report.rows_in == sum(row["rows_in"] for row in lake.audit)
    assert report.rows_to_silver == sum(row["rows_out"] for row in lake.audit)
    assert report.rows_quarantined == sum(row["dq_fail"] for row in lake.audit)
    assert report.spikes == len(lake.spikes) > 0
    assert report.trades_missing is None
    assert report.markdown.startswith("# 2026-01-01 (UTC)\n")
    assert f"| crypto_silver_trades | {len(lake.silver)} |" in report.markdown
    assert "| expiry | ops_audit | 1 | 03:04:05 |" in report.markdown
    assert "## Webhook attempts\n\nnone" in report.markdown


def test_trades_missing_are_those_of_every_symbol_also_of_those_that_are_not_shown(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalog = open_catalog(settings)
    create_tables(catalog)
    hour = datetime(2026, 1, 1, 9, tzinfo=UTC)
    row = dict.fromkeys(OPS_COMPLETENESS.column_names) | {
        "hour": hour,
        "checked_at": hour,
        "expected": 3,
        "present": 1,
        "exchange_holes": 0,
        "missing": 2,
        "missing_ranges": "[[2,3]]",
        "is_sealed": False,
        "seal_version": 0,
        "silver_snapshot_id": 1,
    }
    append(settings, OPS_COMPLETENESS, [row | {"symbol": f"S{number:02}"} for number in range(60)], {})
    report = daily_report(settings, DAY)
    assert report.trades_missing == 120
    assert "## Completeness, the 50 of 60 symbols that lack most\n" in report.markdown
    assert "| S49 |" in report.markdown
    assert "| S50 |" not in report.markdown


def test_incidents_and_rebuilds_are_told_apart_from_maintenance(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalog = open_catalog(settings)
    create_tables(catalog)
    at = datetime(2026, 1, 1, 3, 4, 5, tzinfo=UTC)
    kinds = (ROWS_LOST, ROWS_LOST, REBUILD, f"expiry:{OPS_AUDIT.name}")
    record(catalog, *(MaintenanceRecord(f"r{n}", kind, at, at, {}) for n, kind in enumerate(kinds)))
    _, incidents, maintenance, _ = daily_report(settings, DAY).markdown.rsplit("\n## ", 3)
    assert incidents.splitlines()[-2:] == [
        "| incident:rows_lost | 2 | 03:04:05 |",
        "| rebuild:silver | 1 | 03:04:05 |",
    ]
    assert maintenance.splitlines()[-1] == "| expiry | ops_audit | 1 | 03:04:05 |"
    assert "rows_lost" not in maintenance


def test_another_day_is_empty(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    report = daily_report(settings, date(2026, 1, 2))
    assert (report.batches, report.rows_in, report.spikes, report.lag_p99_ms) == (0, 0, 0, None)


def test_a_home_without_a_lake_has_a_report_too(tmp_path: Path) -> None:
    assert daily_report(Settings(home=tmp_path / "new"), DAY).batches == 0
