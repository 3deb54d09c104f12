"""The code location as the server loads it."""

from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.definitions import defs
from firehose_dagster.defs.maintenance_pool import MAINTENANCE_JOBS
from firehose_dagster.defs.table_metadata import column_schema
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify


@pytest.fixture(scope="module")
def loaded() -> dg.Definitions:
    definitions: dg.Definitions = defs()
    dg.Definitions.validate_loadable(definitions)
    return definitions


def _specs(loaded: dg.Definitions) -> dict[str, dg.AssetSpec]:
    return {spec.key.to_user_string(): spec for spec in loaded.resolve_all_asset_specs()}


def test_every_table_is_an_asset_of_its_name(loaded: dg.Definitions) -> None:
    assert {table.name for table in TABLES} <= _specs(loaded).keys()


def test_every_asset_has_group_owner_kinds_and_description(loaded: dg.Definitions) -> None:
    for name, spec in _specs(loaded).items():
        assert spec.group_name not in (None, "default"), name
        assert spec.owners, name
        assert spec.kinds, name
        assert spec.description, name


def test_every_table_shows_its_columns_with_their_meaning(loaded: dg.Definitions) -> None:
    for table in TABLES:
        schema = _specs(loaded)[table.name].metadata["dagster/column_schema"]
        assert isinstance(schema, dg.TableSchema)
        assert [column.name for column in schema.columns] == list(table.column_names)
        assert all(column.description for column in schema.columns)


def test_a_decimal_is_shown_with_its_digits() -> None:
    types = {column.name: column.type for column in column_schema(GOLD).columns}
    assert types["vwap"] == "decimal(18,8)"
    assert types["minute"] == "timestamptz"


def test_columns_lead_from_spikes_over_gold_and_silver_to_bronze(loaded: dg.Definitions) -> None:
    def origins(table: str, column: str) -> list[tuple[str, str]]:
        lineage = _specs(loaded)[table].metadata["dagster/column_lineage"]
        assert isinstance(lineage, dg.TableColumnLineage)
        return [(dep.asset_key.to_user_string(), dep.column_name) for dep in lineage.deps_by_column[column]]

    assert origins("crypto_spikes", "price") == [("crypto_gold_minute", "close")]
    assert ("crypto_silver_trades", "price") in origins("crypto_gold_minute", "close")
    assert origins("crypto_silver_trades", "price") == [("crypto_bronze_aggtrade", "price")]


def test_the_graph_leads_from_the_exchange_to_the_deliveries(loaded: dg.Definitions) -> None:
    dependencies = {
        name: {dep.asset_key.to_user_string() for dep in spec.deps} for name, spec in _specs(loaded).items()
    }
    assert dependencies["kafka_binance_aggtrade"] == {"binance_spot_aggtrades"}
    assert dependencies["crypto_bronze_aggtrade"] == {"kafka_binance_aggtrade"}
    assert dependencies["crypto_silver_trades"] == {"crypto_bronze_aggtrade"}
    assert dependencies["crypto_quarantine"] == {"crypto_bronze_aggtrade"}
    assert dependencies["crypto_gold_minute"] == {"crypto_silver_trades"}
    assert dependencies["crypto_spikes"] == {"crypto_gold_minute"}
    assert dependencies["ops_deliveries"] == {"crypto_spikes"}


def test_each_layer_that_is_streamed_has_a_freshness_policy(loaded: dg.Definitions) -> None:
    streamed = {name for name, spec in _specs(loaded).items() if spec.freshness_policy is not None}
    assert streamed >= {"crypto_bronze_aggtrade", "crypto_silver_trades", "crypto_gold_minute", "ops_audit"}
    assert not streamed & {"crypto_quarantine", "crypto_spikes", "ops_deliveries"}


def test_every_check_that_verify_makes_is_an_asset_check(loaded: dg.Definitions, tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    create_tables(open_catalog(settings))
    made = {check.name for check in verify(settings).checks}
    assert made <= {key.name for key in loaded.resolve_asset_graph().asset_check_keys}


WRITTEN_ELSEWHERE = {"ops_deliveries", "ops_exchange_holes"}


@pytest.mark.parametrize("table", [table.name for table in TABLES if table.name not in WRITTEN_ELSEWHERE])
def test_each_layer_can_be_materialized_alone_with_its_checks(loaded: dg.Definitions, table: str) -> None:
    selection = dg.AssetSelection.assets(table)
    job = dg.define_asset_job("alone", selection=selection | dg.AssetSelection.checks_for_assets(table))
    dg.Definitions.merge(loaded, dg.Definitions(jobs=[job])).resolve_job_def("alone")


def test_jobs_sensors_and_schedules_are_there(loaded: dg.Definitions) -> None:
    repository = loaded.get_repository_def()
    assert {"gateway", "streams", "deliver_spikes", "verify_promises"} <= {
        job.name for job in repository.get_all_jobs()
    }
    assert {sensor.name for sensor in repository.sensor_defs} >= {
        "gateway_keep_alive",
        "streams_keep_alive",
        "spike_sensor",
        "verify_what_was_materialized",
    }
    assert {schedule.name for schedule in repository.schedule_defs} >= {
        "expire_snapshots_every_20_minutes",
        "remove_orphans_weekly",
    }


@pytest.mark.parametrize("job", MAINTENANCE_JOBS)
def test_a_maintenance_that_lost_its_process_ends_in_time_for_its_schedule_to_go_on(
    loaded: dg.Definitions, job: str
) -> None:
    assert loaded.resolve_job_def(job).run_tags["dagster/max_runtime"] == "21600"


def test_every_schedule_is_on_by_default(loaded: dg.Definitions) -> None:
    for schedule in loaded.get_repository_def().schedule_defs:
        assert schedule.default_status == dg.DefaultScheduleStatus.RUNNING, schedule.name
