"""Dagster's old runs go with all they left on the disk, and nothing that anybody still looks at goes with them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.runs import SqlRunStorage
from dagster._core.storage.runs.schema import RunsTable
from pydantic import ValidationError

from firehose_dagster.alerts.outbox import BACKOFF
from firehose_dagster.defs import old_runs
from firehose_dagster.defs.keep_alive import keep_alive
from firehose_dagster.defs.old_run_removal import old_run_removal
from firehose_dagster.defs.old_runs import Removal, remove_old_runs
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.run_process import RunProcess
from firehose_dagster.defs.run_states import UNFINISHED
from firehose_dagster.settings import Settings

JOB = "work"
NOW = datetime.now(UTC)
AGE = timedelta(days=14)
_SILENT = {"telemetry": {"enabled": False}}
_VERDICTS = {AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED}
KEPT = 2
"""In place of the ten that an installation keeps of each job: ten runs take their time."""


@dg.op
def nothing() -> None: ...


@dg.job(name=JOB)
def work() -> None:
    nothing()


class Switch(dg.ConfigurableResource[None]):
    says_nothing: bool = False


@dg.asset(
    partitions_def=dg.StaticPartitionsDefinition(["monday", "tuesday"]),
    check_specs=[dg.AssetCheckSpec("is_good", asset="days")],
)
def days() -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    yield dg.MaterializeResult()
    yield dg.AssetCheckResult(check_name="is_good", passed=True)


@dg.asset(output_required=False)
def figures(switch: Switch) -> Iterator[dg.Output[None]]:
    if not switch.says_nothing:
        yield dg.Output(None)


@dg.multi_asset_check(
    specs=[dg.AssetCheckSpec("is_judged", asset=figures.key), dg.AssetCheckSpec("always", asset=figures.key)],
    can_subset=True,
)
def judge(context: dg.AssetCheckExecutionContext, switch: Switch) -> Iterator[dg.AssetCheckResult]:
    for key in context.selected_asset_check_keys:
        if key.name == "always" or not switch.says_nothing:
            yield dg.AssetCheckResult(check_name=key.name, asset_key=key.asset_key, passed=True)


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """As an installation has it: a file a run."""
    monkeypatch.setattr(old_runs, "NEWEST_KEPT", KEPT)
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=_SILENT) as stored:
        yield stored


def _executed(instance: dg.DagsterInstance, times: int, age: timedelta = 2 * AGE) -> list[str]:
    """Runs of the job that went through, oldest first."""
    return [_aged(instance, work.execute_in_process(instance=instance).run_id, age) for _ in range(times)]


def _made(instance: dg.DagsterInstance, status: str, age: timedelta = 2 * AGE) -> str:
    run = instance.create_run_for_job(work, status=dg.DagsterRunStatus(status))
    return _aged(instance, run.run_id, age)


def _aged(instance: dg.DagsterInstance, run_id: str, age: timedelta) -> str:
    assert isinstance(instance.run_storage, SqlRunStorage)
    at = (NOW - age).replace(tzinfo=None)
    with instance.run_storage.connect() as connection:
        connection.execute(
            sqlalchemy.update(RunsTable)
            .where(RunsTable.c.run_id == run_id)
            .values(create_timestamp=at, update_timestamp=at)
        )
    return run_id


def _held(instance: dg.DagsterInstance) -> set[str]:
    return {each.run_id for each in instance.get_runs()}


def _removed(instance: dg.DagsterInstance, at_most: int = 1_000) -> Removal:
    return remove_old_runs(instance, NOW - AGE, at_most)


def test_an_old_run_goes_with_its_events_its_file_and_what_it_printed(
    instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    gone, *newest = _executed(instance, 1 + KEPT)
    assert {path for path in tmp_path.rglob("*") if gone in path.name}
    assert _removed(instance) == Removal(removed=1, are_left=False)
    assert _held(instance) == set(newest)
    assert not {path for path in tmp_path.rglob("*") if gone in path.name}
    for run_id in newest:
        assert (tmp_path / "history" / "runs" / f"{run_id}.db").exists()
        assert list((tmp_path / "storage" / run_id).rglob("*.out"))
    assert _removed(instance) == Removal(removed=0, are_left=False)


def test_a_run_that_is_young_stays(instance: dg.DagsterInstance) -> None:
    young = _executed(instance, 2 + KEPT, age=AGE - timedelta(minutes=1))
    assert _removed(instance).removed == 0
    assert _held(instance) == set(young)


# None that is queued, which is not made without a code server.
@pytest.mark.parametrize("status", [each for each in UNFINISHED if each != dg.DagsterRunStatus.QUEUED])
def test_a_run_that_is_unfinished_stays_however_old_it_is(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus
) -> None:
    going_on = _made(instance, status.value, age=400 * AGE)
    newest = _executed(instance, KEPT)
    assert _removed(instance).removed == 0
    assert _held(instance) == {going_on, *newest}


def test_the_newest_success_of_a_job_stays_behind_however_many_failures(instance: dg.DagsterInstance) -> None:
    earlier, success = _executed(instance, 2)
    failures = [_made(instance, "FAILURE") for _ in range(KEPT + 1)]
    assert _removed(instance).removed == 2
    assert _held(instance) == {success, *failures[1:]}
    assert earlier not in _held(instance)


def test_one_time_removes_the_oldest_as_many_as_it_may_and_the_next_goes_on(instance: dg.DagsterInstance) -> None:
    runs = [_made(instance, "FAILURE") for _ in range(KEPT + 5)]
    assert _removed(instance, at_most=3) == Removal(removed=3, are_left=True)
    assert _held(instance) == set(runs[3:])
    assert _removed(instance, at_most=3) == Removal(removed=2, are_left=False)
    assert _held(instance) == set(runs[5:])


def test_old_runs_are_found_behind_any_number_that_stay(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firehose_dagster.defs.old_runs._PAGE", 2)
    other = [
        _aged(instance, instance.create_run_for_job(_other(), status=dg.DagsterRunStatus.FAILURE).run_id, 3 * AGE)
        for _ in range(KEPT)
    ]
    runs = [_made(instance, "FAILURE") for _ in range(KEPT + 3)]
    assert _removed(instance).removed == 3
    assert _held(instance) == {*other, *runs[3:]}


def _other() -> dg.JobDefinition:
    @dg.job(name="other")
    def made() -> None:
        nothing()

    return made


@pytest.mark.parametrize(("storage", "step"), [("event_log_storage", "delete_events"), ("run_storage", "delete_run")])
def test_what_was_interrupted_is_found_again(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, storage: str, step: str
) -> None:
    gone, *newest = _executed(instance, 1 + KEPT)

    def killed(run_id: str) -> None:
        raise KeyboardInterrupt(run_id)

    with monkeypatch.context() as at_it:
        at_it.setattr(getattr(instance, storage), step, killed)
        with pytest.raises(KeyboardInterrupt):
            _removed(instance)
    assert gone in _held(instance)
    # The next time is another process.
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides=_SILENT) as of_the_next:
        assert _removed(of_the_next).removed == 1
    assert _held(instance) == set(newest)
    assert not {path for path in tmp_path.rglob("*") if gone in path.name}


def test_the_run_of_which_an_asset_or_a_check_was_last_heard_stays(instance: dg.DagsterInstance) -> None:
    definitions = dg.Definitions(
        assets=[figures],
        asset_checks=[judge],
        jobs=[
            dg.define_asset_job("make", selection=dg.AssetSelection.assets(figures).without_checks()),
            dg.define_asset_job("judge", selection=dg.AssetSelection.checks(judge)),
        ],
        resources={"switch": Switch()},
    )

    def runs(job_name: str) -> list[str]:
        """The last of those that say something, and the later ones that say nothing; one that is not needed before."""
        job = definitions.resolve_job_def(job_name)
        ran = [
            job.execute_in_process(instance=instance, resources={"switch": Switch(says_nothing=silent)}).run_id
            for silent in (False, False, *[True] * KEPT)
        ]
        return [_aged(instance, each, 2 * AGE) for each in ran][1:]

    made, judged = runs("make"), runs("judge")
    before = instance.get_latest_materialization_event(figures.key)
    assert _removed(instance).removed == 2
    assert _held(instance) == {*made, *judged}
    shown = instance.get_latest_materialization_event(figures.key)
    assert shown is not None
    assert shown == before
    assert shown.run_id == made[0]
    assert [each.run_id for each in instance.fetch_materializations(figures.key, limit=9).records] == [made[0]]
    for check, run_id in (("is_judged", judged[0]), ("always", judged[-1])):
        key = dg.AssetCheckKey(figures.key, check)
        (verdict,) = instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=_VERDICTS)
        assert verdict.run_id == run_id


def test_a_day_that_was_made_is_not_called_missing_when_its_run_is_old(instance: dg.DagsterInstance) -> None:
    definitions = dg.Definitions(assets=[days], jobs=[dg.define_asset_job("days", selection=[days])])

    def run(day: str) -> str:
        job = definitions.resolve_job_def("days")
        result = job.execute_in_process(instance=instance, partition_key=day)
        return _aged(instance, result.run_id, 2 * AGE)

    run("monday")
    monday = run("monday")
    tuesday = [run("tuesday") for _ in range(KEPT)]
    assert _removed(instance).removed == 1
    assert _held(instance) == {monday, *tuesday}
    assert instance.get_materialized_partitions(days.key) == {"monday", "tuesday"}


def test_a_gateway_that_a_person_terminated_long_ago_stays_off(instance: dg.DagsterInstance) -> None:
    _executed(instance, KEPT)
    canceled = _made(instance, "CANCELED")
    assert _removed(instance).removed == 1
    context = dg.build_sensor_context(instance=instance, sensor_name="sensor")
    result = keep_alive(context, JOB, lambda: False, lambda run_id: RunProcess.UNTOLD)
    assert f"run {canceled} was terminated by a person" in str(result.skip_reason)


def test_the_asset_goes_by_the_setting_and_says_what_it_did(
    instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIREHOSE_DAGSTER_RUNS_KEEP_DAYS", "3")
    monkeypatch.setattr("firehose_dagster.defs.old_run_removal.AT_MOST", 2)
    young = _executed(instance, KEPT - 1, age=timedelta(days=2))
    old = [_made(instance, "FAILURE", age=timedelta(days=4)) for _ in range(4)]
    more = _executed(instance, KEPT, age=timedelta(days=2))
    result = dg.materialize(
        [old_run_removal], instance=instance, resources={"firehose": FirehoseResource(home=str(tmp_path))}
    )
    (told,) = result.asset_materializations_for_node("old_run_removal")
    said = {name: value.value for name, value in told.metadata.items()}
    assert said == {
        "runs removed": 2,
        "runs kept": len(young) + 2 + len(more) + 1,
        "oldest kept": (NOW - timedelta(days=4)).isoformat(),
        "kept for days": 3,
        "left for the next time": "yes: one time removes at most 2",
    }
    assert _held(instance) == {*young, *old[2:], *more, result.run_id}


def test_more_of_a_job_are_kept_than_a_sensor_looks_back() -> None:
    # Eight, by which the keep-alive sensors find the pause after failures; and those by which alerts are tried again.
    assert max(8, len(BACKOFF) + 1) < old_runs.NEWEST_KEPT


def test_fewer_days_than_one_are_refused() -> None:
    with pytest.raises(ValidationError, match="dagster_runs_keep_days"):
        Settings(dagster_runs_keep_days=0)
