"""Maintenance leaves rows beside those of the micro-batches, and no writer is lost."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.settings import Settings

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


def _record(run_id: str) -> MaintenanceRecord:
    return MaintenanceRecord(run_id, "expiry:ops_audit", AT, AT + timedelta(seconds=2), {"bytes freed": 17})


def _held(catalog: Catalog) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = catalog.load_table(OPS_AUDIT.identifier).scan().to_arrow().to_pylist()
    return rows


def test_a_run_is_a_row_with_its_figures_as_json(tmp_path: Path) -> None:
    catalog = open_catalog(Settings(home=tmp_path))
    create_tables(catalog)
    record(catalog, _record("run/1"))
    (row,) = _held(catalog)
    assert (row["run_id"], row["kind"], row["started_at"]) == ("run/1", "expiry:ops_audit", AT)
    assert json.loads(str(row["detail"])) == {"bytes freed": 17}
    assert (row["rows_in"], row["dq_fail_by_rule"], row["max_lag_ms"]) == (0, [], None)


def test_a_writer_that_commits_in_between_loses_nothing_and_takes_nothing(tmp_path: Path) -> None:
    catalog = open_catalog(Settings(home=tmp_path))
    create_tables(catalog)
    meanwhile = [_record("other/1")]
    load = catalog.load_table

    def load_then_be_overtaken(identifier: str) -> Table:
        table = load(identifier)
        if meanwhile:
            record_of_other = meanwhile.pop()
            record(open_catalog(Settings(home=tmp_path)), record_of_other)
        return table

    catalog.load_table = load_then_be_overtaken  # type: ignore[method-assign,assignment]  # the race, on purpose
    record(catalog, _record("run/1"))
    assert sorted(str(row["run_id"]) for row in _held(catalog)) == ["other/1", "run/1"]
