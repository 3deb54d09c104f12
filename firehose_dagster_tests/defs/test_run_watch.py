"""A step whose run was ended without it being told leaves the run's end as it is."""

import sqlite3
from collections.abc import Callable

import dagster as dg
import pytest

from firehose_dagster.defs import run_watch
from firehose_dagster.defs.run_watch import RunWatch


def _mark_as_cancelled(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_canceled(run)


def _close_as_failed(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    instance.report_run_failed(run, "closed by the sensor")


@pytest.mark.parametrize(
    ("end", "status"),
    [(_mark_as_cancelled, dg.DagsterRunStatus.CANCELED), (_close_as_failed, dg.DagsterRunStatus.FAILURE)],
    ids=["cancelled by a person", "closed by the sensor"],
)
def test_a_run_that_was_ended_from_outside_does_not_end_as_a_success(
    monkeypatch: pytest.MonkeyPatch,
    end: Callable[[dg.DagsterInstance, dg.DagsterRun], None],
    status: dg.DagsterRunStatus,
) -> None:
    monkeypatch.setattr(run_watch, "_ASK_EVERY_SECONDS", 0.0)

    @dg.op
    def host(context: dg.OpExecutionContext) -> None:
        watch = RunWatch(context.instance, context.run_id)
        assert not watch.is_over()
        watch.end_as_told()
        end(context.instance, context.run)
        assert watch.is_over()
        watch.end_as_told()

    @dg.job
    def hosting() -> None:
        host()

    with dg.DagsterInstance.ephemeral() as instance:
        hosting.execute_in_process(instance=instance, raise_on_error=False)
        (run,) = instance.get_runs()
        assert run.status == status


def test_a_run_goes_on_where_the_instance_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_watch, "_ASK_EVERY_SECONDS", 0.0)

    def locked(*_: object) -> None:
        raise sqlite3.OperationalError("database is locked")

    with dg.DagsterInstance.ephemeral() as instance:
        watch = RunWatch(instance, "0" * 32)
        with monkeypatch.context() as patched:
            patched.setattr(dg.DagsterInstance, "get_run_by_id", locked)
            assert not watch.is_over()
        assert watch.is_over()  # it answers again, and knows no such run
