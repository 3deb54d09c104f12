"""Small tables written from the driver are read by every engine, whatever numbers the catalog gave their fields."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import NO_ROWS
from firehose_dagster_tests.streams.scenario import Scenario, new_scenario

pytestmark = pytest.mark.spark

NOON = datetime(2026, 1, 5, 12, tzinfo=UTC)


@pytest.fixture
def scenario(spark: SparkSession, tmp_path: Path) -> Scenario:
    return new_scenario(spark, Settings(home=tmp_path / "home"))


def _rows(table: DriverTable, *days: int) -> pa.Table:
    columns = {name: [getattr(NO_ROWS, name)] * len(days) for name in OPS_AUDIT.column_names}
    columns["run_id"] = [f"day {day}" for day in days]
    columns["started_at"] = [NOON + timedelta(days=day) for day in days]
    columns["dq_fail_by_rule"] = [[("price_is_positive", day)] for day in days]
    return table.arrow(columns)


def test_a_map_is_read_by_pyiceberg_spark_and_duckdb(scenario: Scenario) -> None:
    table = DriverTable(scenario.spark, OPS_AUDIT, scenario.settings)
    table.append(_rows(table, 1, 2), {"firehose.test": "yes"})
    held = scenario.catalog.load_table(OPS_AUDIT.identifier)
    assert held.scan(row_filter="run_id = 'day 2'").to_arrow().column("dq_fail_by_rule").to_pylist() == [
        [("price_is_positive", 2)]
    ]
    spark_rows = scenario.spark.table(OPS_AUDIT.spark_identifier).orderBy("run_id").collect()
    assert [row["dq_fail_by_rule"] for row in spark_rows] == [{"price_is_positive": 1}, {"price_is_positive": 2}]
    duckdb_rows = run_query(scenario.settings, "SELECT dq_fail_by_rule FROM ops_audit ORDER BY run_id").to_pylist()
    assert [dict(row["dq_fail_by_rule"]) for row in duckdb_rows] == [
        {"price_is_positive": 1},
        {"price_is_positive": 2},
    ]
    assert newest_stamp(held, "firehose.test") == "yes"


def test_a_replaced_partition_has_just_the_new_rows_and_the_others_stay(scenario: Scenario) -> None:
    table = DriverTable(scenario.spark, OPS_AUDIT, scenario.settings)
    table.append(_rows(table, 1, 2, 2), {})
    table.replace_partitions(_rows(table, 2, 3), {})
    assert [row["run_id"] for row in scenario.query("SELECT run_id FROM ops_audit ORDER BY run_id")] == [
        "day 1",
        "day 2",
        "day 3",
    ]


def test_a_row_without_its_partition_is_refused_and_not_left_out(scenario: Scenario) -> None:
    table = DriverTable(scenario.spark, OPS_AUDIT, scenario.settings)
    rows = _rows(table, 1, 2)
    column = rows.schema.get_field_index("started_at")
    rows = rows.set_column(column, rows.schema.field(column), pa.array([None, NOON], rows.schema.field(column).type))
    with pytest.raises(ValueError, match="ops_audit: a row without started_at has no partition"):
        table.append(rows, {})
    assert scenario.count("ops_audit") == 0


def test_a_commit_goes_through_beside_one_of_maintenance(scenario: Scenario) -> None:
    table = DriverTable(scenario.spark, OPS_AUDIT, scenario.settings)
    table.append(_rows(table, 1, 2), {})
    scenario.catalog.load_table(OPS_AUDIT.identifier).delete("run_id = 'day 2'")
    table.replace_partitions(_rows(table, 1, 3), {})
    assert [row["run_id"] for row in scenario.query("SELECT run_id FROM ops_audit ORDER BY run_id")] == [
        "day 1",
        "day 3",
    ]


def test_an_emptied_table_has_no_row_and_its_stamp(scenario: Scenario) -> None:
    table = DriverTable(scenario.spark, OPS_AUDIT, scenario.settings)
    before = table.append(_rows(table, 1), {})
    table.empty({"firehose.test": "emptied"})
    assert scenario.count("ops_audit") == 0
    _, newest = next(table.summaries("firehose.test"))
    assert newest["firehose.test"] == "emptied"
    held = scenario.catalog.load_table(OPS_AUDIT.identifier)
    assert held.scan(snapshot_id=before, selected_fields=("run_id",)).to_arrow().num_rows == 1


def test_the_summaries_are_found_behind_what_maintenance_committed_since(scenario: Scenario) -> None:
    table = DriverTable(scenario.spark, OPS_AUDIT, scenario.settings)
    table.append(_rows(table, 1), {"firehose.test": "first"})
    table.append(_rows(table, 1, 2), {"firehose.test": "second"})
    held = scenario.catalog.load_table(OPS_AUDIT.identifier)
    held.delete("run_id = 'day 2'")  # a commit without a stamp, by another process as far as the driver knows
    found, earlier = (summary for _, summary in table.summaries("firehose.test"))
    assert earlier["firehose.test"] == "first"
    assert (found["firehose.test"], found["added-records"]) == ("second", "2")
    assert list(table.summaries("firehose.other")) == []
