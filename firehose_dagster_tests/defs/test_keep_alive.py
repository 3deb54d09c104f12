"""The keep-alive sensors' rule: exactly one run, unless a person wanted it off."""

from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.defs.keep_alive import LOOKS_BEFORE_LIFE, gateway_keep_alive, keep_alive
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.run_process import RunProcess
from firehose_dagster.gateway.status import status_path
from firehose_dagster.local.dagster_runs import STOPPED_BY_INSTALLATION, STOPPED_BY_TAG
from firehose_dagster.settings import Settings

JOB = "work"


@dg.op
def nothing() -> None: ...


@dg.job(name=JOB)
def work() -> None:
    nothing()


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as ephemeral:
        yield ephemeral


def _run(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus, tags: dict[str, str] | None = None
) -> dg.DagsterRun:
    return instance.create_run_for_job(work, status=status, tags=tags)


def _tick(instance: dg.DagsterInstance, is_alive: Callable[[], bool]) -> dg.SensorResult:
    return keep_alive(dg.build_sensor_context(instance=instance, sensor_name="sensor"), JOB, is_alive, _not_known)


def _not_known(run_id: str) -> RunProcess:
    return RunProcess.UNTOLD


def _dead() -> bool:
    return False


def _alive() -> bool:
    return True


def test_where_nothing_ran_a_run_is_requested(instance: dg.DagsterInstance) -> None:
    assert _tick(instance, _dead).run_requests == [dg.RunRequest()]


def test_a_status_of_another_version_does_not_keep_the_gateway_from_being_launched(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    path = status_path(Settings(home=tmp_path))
    path.parent.mkdir(parents=True)
    path.write_text('{"state": "stopped", "pid": 1}')
    context = dg.build_sensor_context(instance=instance, sensor_name="sensor")
    result = gateway_keep_alive(context, firehose=FirehoseResource(home=str(tmp_path)))
    assert isinstance(result, dg.SensorResult)
    assert result.run_requests == [dg.RunRequest()]


@pytest.mark.parametrize("status", ["STARTING", "STARTED", "CANCELING"])
def test_where_a_run_goes_on_none_is_requested(instance: dg.DagsterInstance, status: str) -> None:
    _run(instance, dg.DagsterRunStatus(status))
    assert not _tick(instance, _alive).run_requests


def test_a_run_that_a_person_terminated_stays_off(instance: dg.DagsterInstance) -> None:
    run = _run(instance, dg.DagsterRunStatus.CANCELED)
    result = _tick(instance, _dead)
    assert not result.run_requests
    assert run.run_id in str(result.skip_reason)
    assert f"launch the job `{JOB}`" in str(result.skip_reason)


def test_a_run_that_a_person_terminated_stays_off_although_its_process_was_gone(instance: dg.DagsterInstance) -> None:
    run = _run(instance, dg.DagsterRunStatus.CANCELING)
    cursor: str | None = None
    for _ in range(LOOKS_BEFORE_LIFE):
        context = dg.build_sensor_context(instance=instance, sensor_name="sensor", cursor=cursor)
        cursor = keep_alive(context, JOB, _dead, _not_known).cursor or cursor
    closed = instance.get_run_by_id(run.run_id)
    assert closed is not None
    assert closed.status == dg.DagsterRunStatus.CANCELED
    assert "was terminated by a person" in str(_tick(instance, _dead).skip_reason)


def test_a_run_that_the_installation_ended_is_launched_anew(instance: dg.DagsterInstance) -> None:
    _run(instance, dg.DagsterRunStatus.CANCELED, {STOPPED_BY_TAG: STOPPED_BY_INSTALLATION})
    assert _tick(instance, _dead).run_requests == [dg.RunRequest()]


def test_a_run_started_by_a_person_after_the_termination_counts(instance: dg.DagsterInstance) -> None:
    _run(instance, dg.DagsterRunStatus.CANCELED)
    _run(instance, dg.DagsterRunStatus.SUCCESS)
    assert _tick(instance, _dead).run_requests == [dg.RunRequest()]


def test_where_a_process_outside_dagster_does_the_work_no_run_is_requested(instance: dg.DagsterInstance) -> None:
    result = _tick(instance, _alive)
    assert not result.run_requests
    assert "another process" in str(result.skip_reason)


def test_a_failed_run_comes_again(instance: dg.DagsterInstance) -> None:
    _run(instance, dg.DagsterRunStatus.FAILURE)
    assert _tick(instance, _dead).run_requests == [dg.RunRequest()]


def test_a_run_that_ends_while_it_is_looked_at_keeps_its_end(instance: dg.DagsterInstance) -> None:
    run = _run(instance, dg.DagsterRunStatus.STARTED)

    def ended_since_it_was_read(run_id: str) -> RunProcess:
        instance.report_dagster_event(
            dg.DagsterEvent(dg.DagsterEventType.RUN_SUCCESS.value, run.job_name, message="done"), run_id
        )
        return RunProcess.DEAD

    keep_alive(dg.build_sensor_context(instance=instance, sensor_name="sensor"), JOB, _dead, ended_since_it_was_read)
    held = instance.get_run_by_id(run.run_id)
    assert held is not None
    assert held.status == dg.DagsterRunStatus.SUCCESS
