"""A run whose process died is known as such at once, and no other one is taken for it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import dagster as dg
import pytest

from firehose_dagster.defs.gateway import gateway
from firehose_dagster.defs.keep_alive import LOOKS_BEFORE_LIFE, gateway_keep_alive, streams_keep_alive
from firehose_dagster.defs.resources import FirehoseResource, LakeSparkResource
from firehose_dagster.defs.run_process import RunProcess, has_lost_its_process, hold_run, process_of
from firehose_dagster.defs.streams import trade_stream
from firehose_dagster.local.dagster_runs import GATEWAY_JOB, STREAMS_JOB
from firehose_dagster.settings import Settings

_WORKER = """
import sys
from pathlib import Path
from firehose_dagster.defs.run_process import hold_run
from firehose_dagster.settings import Settings
hold_run(Settings(home=Path(sys.argv[1])), sys.argv[2], sys.argv[3])
print("held", flush=True)
sys.stdin.read()
"""


@dg.op
def nothing() -> None: ...


def _job(name: str) -> dg.JobDefinition:
    @dg.job(name=name)
    def made() -> None:
        nothing()

    return made


@contextmanager
def _worker(settings: Settings, job_name: str, run_id: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process that works on the run; dead at the end."""
    arguments = [sys.executable, "-c", _WORKER, str(settings.home), job_name, run_id]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as worker:
        try:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"held\n"
            yield worker
        finally:
            worker.kill()


def test_a_run_has_its_process_until_that_is_killed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    with _worker(settings, "work", "one") as worker:
        assert process_of(settings, "work", "one") is RunProcess.ALIVE
        assert not has_lost_its_process(settings, "work", "one")
        worker.kill()
        worker.wait()
        assert process_of(settings, "work", "one") is RunProcess.DEAD
        assert has_lost_its_process(settings, "work", "one")


def test_of_a_run_on_which_no_process_told_that_it_works_nothing_is_known(tmp_path: Path) -> None:
    assert process_of(Settings(home=tmp_path), "work", "one") is RunProcess.UNTOLD
    assert not has_lost_its_process(Settings(home=tmp_path), "work", "one")


def test_a_run_that_this_process_holds_has_its_process_however_often_it_is_asked(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    hold_run(settings, "work", "one")
    assert [has_lost_its_process(settings, "work", "one") for _ in range(2)] == [False, False]


def test_runs_of_the_gateway_hold_their_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firehose_dagster.defs.gateway.run_gateway", lambda *_: None)
    result = gateway.execute_in_process(resources={"firehose": FirehoseResource(home=str(tmp_path))})
    assert _held(tmp_path) == {f"gateway.{result.run_id}"}


def test_runs_of_the_stream_hold_their_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("firehose_dagster.defs.streams.run_streams", lambda *_, **__: None)
    monkeypatch.setattr(LakeSparkResource, "session", lambda *_: SimpleNamespace(stop=lambda: None))
    result = dg.materialize(
        [trade_stream], resources={"firehose": FirehoseResource(home=str(tmp_path)), "spark": LakeSparkResource()}
    )
    (name,) = _held(tmp_path)
    assert name.endswith(f".{result.run_id}")


def _held(home: Path) -> set[str]:
    return {path.name for path in (Settings(home=home).state_dir / "runs").iterdir()}


def test_what_dead_runs_of_the_job_left_is_removed_by_the_next_and_living_ones_and_other_jobs_are_let_be(
    tmp_path: Path,
) -> None:
    settings = Settings(home=tmp_path)
    with _worker(settings, "other", "dead"), _worker(settings, "work", "dead"):
        pass
    with _worker(settings, "work", "living"):
        hold_run(settings, "work", "next")
        assert _held(tmp_path) == {"other.dead", "work.living", "work.next"}


@pytest.mark.parametrize(("job_name", "sensor"), [(GATEWAY_JOB, gateway_keep_alive), (STREAMS_JOB, streams_keep_alive)])
def test_a_run_whose_process_was_killed_is_closed_at_the_first_look_and_the_next_one_comes(
    tmp_path: Path, job_name: str, sensor: dg.SensorDefinition, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("firehose_dagster.defs.keep_alive._pause_seconds", lambda finished: 0)
    settings = Settings(home=tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:

        def look() -> dg.SensorResult:
            context = dg.build_sensor_context(instance=instance, sensor_name=sensor.name)
            result = sensor(context, firehose=FirehoseResource(home=str(tmp_path)))
            assert isinstance(result, dg.SensorResult)
            return result

        run = instance.create_run_for_job(_job(job_name), status=dg.DagsterRunStatus.STARTED)
        with _worker(settings, job_name, run.run_id):
            assert "STARTED" in str(look().skip_reason)
        assert "had lost its process and was closed" in str(look().skip_reason)
        closed = instance.get_run_by_id(run.run_id)
        assert closed is not None
        assert closed.status == dg.DagsterRunStatus.FAILURE
        assert look().run_requests == [dg.RunRequest()]


def test_a_gateway_that_lives_stays_although_it_can_not_say_so_and_is_closed_once_it_is_dead(tmp_path: Path) -> None:
    """Its status is a file on a volume that is full; Dagster's storage is elsewhere."""
    settings = Settings(home=tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        cursor: str | None = None

        def look() -> dg.SensorResult:
            context = dg.build_sensor_context(instance=instance, sensor_name="gateway_keep_alive", cursor=cursor)
            result = gateway_keep_alive(context, firehose=FirehoseResource(home=str(tmp_path)))
            assert isinstance(result, dg.SensorResult)
            return result

        run = instance.create_run_for_job(_job(GATEWAY_JOB), status=dg.DagsterRunStatus.STARTED)
        with _worker(settings, GATEWAY_JOB, run.run_id):
            for _ in range(LOOKS_BEFORE_LIFE + 1):
                looked = look()
                cursor = looked.cursor
                assert "STARTED" in str(looked.skip_reason)
        assert "had lost its process and was closed" in str(look().skip_reason)
