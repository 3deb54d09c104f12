"""The report of a day tells what the tables hold of that day, and of no other."""

from datetime import UTC, date, datetime
from pathlib import Path

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.daily_report import daily_report
from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import small_lake, write

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


def test_another_day_is_empty(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    report = daily_report(settings, date(2026, 1, 2))
    assert (report.batches, report.rows_in, report.spikes, report.lag_p99_ms) == (0, 0, 0, None)


def test_a_home_without_a_lake_has_a_report_too(tmp_path: Path) -> None:
    assert daily_report(Settings(home=tmp_path / "new"), DAY).batches == 0
