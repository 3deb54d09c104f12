"""Every view runs on an empty lake and says on a filled one what the audit says."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from firehose_dagster.cli import app
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.query import QueryError, run_query, to_json
from firehose_dagster.lake.views import UnknownViewError, view, views
from firehose_dagster.settings import Settings
from firehose_dagster_tests.verification.small_lake import small_lake, write


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    return settings


def _rows(settings: Settings, name: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = json.loads(to_json(run_query(settings, view(name).sql)))
    return rows


@pytest.mark.parametrize("name", [each.name for each in views()])
def test_each_view_runs_on_a_lake_that_holds_nothing(tmp_path: Path, name: str) -> None:
    assert run_query(Settings(home=tmp_path / "new"), view(name).sql).num_rows == 0


def test_the_views_that_dashboards_need_are_there() -> None:
    assert {each.name for each in views()} >= {
        "rows_per_minute",
        "lag_per_minute",
        "dq_failures_by_rule",
        "duplicates_per_hour",
        "file_counts",
    }
    assert all(each.doc.endswith(".") for each in views())


def test_rows_are_accounted_for(settings: Settings) -> None:
    audit = small_lake().audit
    (row,) = _rows(settings, "rows_per_minute")
    assert row["rows_in"] == sum(each["rows_in"] for each in audit)
    assert row["rows_to_silver"] == sum(each["rows_out"] for each in audit)
    assert row["rows_unaccounted_for"] == 0


def test_failures_are_counted_by_rule(settings: Settings) -> None:
    table = open_catalog(settings).load_table("crypto.ops_audit")
    rows = table.scan().to_arrow().to_pylist()
    at = datetime(2026, 5, 1, 10, 30, tzinfo=UTC)
    counts = [[("price_is_positive", 2)], [("price_is_positive", 1), ("qty_is_positive", 5)]]
    made = [
        {**rows[0], "run_id": f"x/{number}", "finished_at": at, "dq_fail_by_rule": each}
        for number, each in enumerate(counts)
    ]
    table.append(pa.Table.from_pylist(made, schema=table.schema().as_arrow()))
    hour = "2026-05-01T10:00:00.000000Z"
    assert _rows(settings, "dq_failures_by_rule")[:2] == [
        {"hour": hour, "rule": "qty_is_positive", "rows": 5},
        {"hour": hour, "rule": "price_is_positive", "rows": 3},
    ]


def test_files_are_counted_as_the_disk_has_them(settings: Settings) -> None:
    counted = {row["table_name"]: row["files"] for row in _rows(settings, "file_counts")}
    warehouse = settings.lake_dir / "warehouse" / "crypto"
    on_disk = {
        table.name: count for table in TABLES if (count := len(list((warehouse / table.name).rglob("*.parquet"))))
    }
    assert counted == on_disk
    partitions = run_query(settings, "SELECT partition FROM lake_files WHERE table_name = 'crypto_silver_trades'")
    assert sorted(partitions["partition"].to_pylist()) == ["event_ts_hour=2026-01-01-09", "event_ts_hour=2026-01-01-10"]


def test_the_command_runs_a_view_lists_them_and_refuses_anything_unclear(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    home = str(settings.home)
    assert app(["sql", "--view", "file_counts", "--format", "json", "--home", home], result_action="return_value") == 0
    assert json.loads(capsys.readouterr().out)
    assert app(["sql", "--views"], result_action="return_value") == 0
    assert capsys.readouterr().out.count("\n") == len(views())
    with pytest.raises(UnknownViewError, match="there is no view nothing; there are deliveries_per_hour, "):
        app(["sql", "--view", "nothing", "--home", home], result_action="return_value")
    with pytest.raises(QueryError, match="one of"):
        app(["sql", "SELECT 1", "--views"], result_action="return_value")
