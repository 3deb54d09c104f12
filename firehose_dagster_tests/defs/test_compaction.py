"""Compaction as Dagster runs it: the assets, what they show, when they run."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.defs.compaction import compaction as definitions
from firehose_dagster.defs.maintenance_pool import POOL
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.lake.jars import JarsMissingError, spark_jars
from firehose_dagster.local.dagster_home import write_dagster_home
from firehose_dagster.maintenance.compaction import rewrite_commit, table_compaction
from firehose_dagster.maintenance.compaction.proof import CompactionProofError
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import closed_hour, made_lake

NAMES = [f"compaction_{table.name}" for table in TABLES]


def _loaded(home: Path) -> dg.Definitions:
    made: dg.Definitions = definitions()
    return dg.Definitions.merge(made, dg.Definitions(resources={"firehose": FirehoseResource(home=str(home))}))


def _run(home: Path, instance: dg.DagsterInstance, *names: str) -> dg.ExecuteInProcessResult:
    job = _loaded(home).resolve_job_def("compact")
    return job.execute_in_process(
        instance=instance, asset_selection=[dg.AssetKey([name]) for name in names or NAMES], raise_on_error=False
    )


def _shown(result: dg.ExecuteInProcessResult, name: str) -> dict[str, object]:
    (event,) = [each for each in result.get_asset_materialization_events() if each.asset_key == dg.AssetKey([name])]
    return {key: value.value for key, value in event.materialization.metadata.items()}


@pytest.mark.spark
def test_a_materialization_shows_what_was_merged_and_what_it_gained(
    tmp_path: Path, usable_java: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = made_lake(tmp_path)
    try:
        spark_jars(settings.jars_dir)
    except JarsMissingError as error:
        pytest.skip(str(error))
    closed_hour(settings)
    monkeypatch.setattr(rewrite_commit, "_BUSY_WITHIN_SECONDS", 0.0)
    with dg.DagsterInstance.ephemeral() as instance:
        result = _run(tmp_path, instance, "compaction_crypto_silver_trades")
    assert result.success
    shown = _shown(result, "compaction_crypto_silver_trades")
    assert (shown["files before"], shown["files after"], shown["rows proved equal"]) == (6, 1, 24)
    assert "2026-01-05T09:00Z | rewritten | 24 | 6 |" in str(shown["groups"])
    assert str(shown["before and after"]).startswith("![before and after](data:image/svg+xml;base64,")
    assert isinstance(shown["full_scan seconds before"], float)
    assert "outcome=rewritten" in (tmp_path / "logs" / "compaction.log").read_text()


def test_a_run_over_a_new_lake_does_nothing_in_every_table(tmp_path: Path) -> None:
    made_lake(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        result = _run(tmp_path, instance)
    assert result.success
    assert {_shown(result, name)["files before"] for name in NAMES} == {0}


def test_rows_that_differ_fail_the_run_and_are_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made_lake(tmp_path)
    tried: list[object] = []

    def wrong(*arguments: object) -> None:
        tried.append(arguments)
        raise CompactionProofError("rows: 24 before, 23 after")

    monkeypatch.setattr(table_compaction, "_compact", wrong)
    with dg.DagsterInstance.ephemeral() as instance:
        result = _run(tmp_path, instance, "compaction_crypto_silver_trades")
    assert not result.success
    assert len(tried) == 1
    (failure,) = [event for event in result.all_events if event.is_step_failure]
    assert "rows: 24 before, 23 after" in str(failure.step_failure_data)


def test_the_hourly_schedule_is_on_and_starts_no_run_beside_another(tmp_path: Path) -> None:
    loaded = _loaded(tmp_path)
    schedule = loaded.resolve_schedule_def("compact_hourly")
    assert schedule.default_status is dg.DefaultScheduleStatus.RUNNING
    with dg.instance_for_test() as instance:
        context = dg.build_schedule_context(instance=instance)
        assert len(schedule.evaluate_tick(context).run_requests or []) == 1
        run = instance.create_run_for_job(loaded.resolve_job_def("compact"), status=dg.DagsterRunStatus.STARTED)
        assert schedule.evaluate_tick(context).skip_message == f"run {run.run_id} is at it"


def test_one_maintenance_at_a_time_is_what_the_instance_allows(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write_dagster_home(settings)
    # In a process of its own: an instance made from a file becomes the one from which definitions are loaded.
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, dagster; i = dagster.DagsterInstance.from_config(sys.argv[1]); "
            "print(i.get_concurrency_config().pool_config.default_pool_limit)",
            str(settings.dagster_home),
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert told.stdout.strip() == "1"
    nodes = _loaded(tmp_path).resolve_job_def("compact").all_node_defs
    assert [node.pools for node in nodes] == [{POOL}] * len(TABLES)
