"""Reconciliation as Dagster runs it: metadata and a check that say whether the lake is complete."""

from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.defs import reconciliation as definitions
from firehose_dagster.defs.maintenance_pool import MAINTENANCE_JOBS, POOL
from firehose_dagster.defs.reconciliation import CHECK, reconciliation, reconciliation_definitions
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster_tests.maintenance.reconciliation.spoiled_lake import BOTH_OVER, Installation
from firehose_dagster_tests.verification.small_lake import small_lake


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Installation:
    installation = Installation(tmp_path, small_lake())
    installation.watch(BOTH_OVER + timedelta(days=1))
    monkeypatch.setattr(definitions, "ReplayTopic", lambda settings, halt: installation.topic)
    return installation


def _run(held: Installation) -> tuple[dict[str, object], dg.AssetCheckEvaluation]:
    result = dg.materialize([reconciliation], resources={"firehose": FirehoseResource(home=str(held.settings.home))})
    (event,) = result.get_asset_materialization_events()
    (check,) = result.get_asset_check_evaluations()
    assert check.check_name == CHECK
    return {key: value.value for key, value in event.materialization.metadata.items()}, check


def test_a_whole_lake_is_told_to_be_complete(held: Installation) -> None:
    told, check = _run(held)
    assert (told["is complete"], told["hours read"], told["published"]) == ("true", 2, 0)
    assert check.passed


def test_what_is_missing_is_told_and_does_not_pass_until_it_is_back(held: Installation) -> None:
    held.lose(SILVER.identifier, held.lake.bronze[6])
    told, check = _run(held)
    assert told["summary"] == "1 records are missing before 2026-01-03 08:00 UTC; 1 published"
    assert (told["trades in neither silver nor quarantine"], told["told as lost"]) == (1, 1)
    assert not check.passed
    held.take(BOTH_OVER + timedelta(days=1))
    told, check = _run(held)
    assert (told["is complete"], told["published"]) == ("true", 0)
    assert check.passed


def test_it_runs_daily_in_the_pool_of_maintenance_and_its_failure_is_told() -> None:
    loaded = reconciliation_definitions()
    (schedule,) = loaded.schedules or ()
    assert isinstance(schedule, dg.ScheduleDefinition)
    assert (schedule.cron_schedule, schedule.default_status) == ("40 1 * * *", dg.DefaultScheduleStatus.RUNNING)
    assert schedule.job_name in MAINTENANCE_JOBS
    assert reconciliation.op.pool == POOL
