"""Runs of an installation that lost its power: closed at the next start, on a real Dagster home."""

from collections.abc import Iterator

import dagster as dg
import pytest

from firehose_dagster.local.dagster_home import write_dagster_home
from firehose_dagster.local.dagster_runs import close_lost_runs
from firehose_dagster.settings import Settings

JOB = "compact"


@dg.op
def nothing() -> None: ...


@dg.job(name=JOB)
def compact() -> None:
    nothing()


@pytest.fixture
def instance(settings: Settings) -> Iterator[dg.DagsterInstance]:
    write_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as opened:
        yield opened


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("NOT_STARTED", "FAILURE"),
        ("STARTING", "FAILURE"),
        ("STARTED", "FAILURE"),
        ("CANCELING", "CANCELED"),
        ("SUCCESS", "SUCCESS"),
    ],
)
def test_a_run_that_no_process_can_end_any_more_is_closed_at_the_next_start(
    instance: dg.DagsterInstance, settings: Settings, before: str, after: str
) -> None:
    run = instance.create_run_for_job(compact, status=dg.DagsterRunStatus(before))
    closed = close_lost_runs(settings)
    assert closed == ((run.run_id,) if before != after else ())
    left = instance.get_run_by_id(run.run_id)
    assert left is not None
    assert left.status.value == after
