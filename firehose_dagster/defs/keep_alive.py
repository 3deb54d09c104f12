"""Sensors that keep exactly one gateway and one stream alive, unless a person stopped them."""

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import dagster as dg
import msgspec

from firehose_dagster.defs.gateway import gateway
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.run_process import RunProcess, process_of
from firehose_dagster.defs.run_states import FINISHED, UNFINISHED
from firehose_dagster.defs.sensor_interval import EACH_LOOK_SECONDS
from firehose_dagster.defs.streams import streams
from firehose_dagster.gateway.status import is_alive, read_status
from firehose_dagster.local.dagster_runs import STOPPED_BY_INSTALLATION, STOPPED_BY_TAG
from firehose_dagster.settings import Settings
from firehose_dagster.streams.lease import lease_is_held

LOOKS_BEFORE_LIFE = 36
"""A run that shows no life in so many looks, 3 minutes, after its start has lost its worker: a start takes a minute."""
LOOKS_AFTER_LIFE = 12
"""The same once it was seen alive, a minute: a run that ends in good order gives its lease back some seconds before."""
_LONGEST_PAUSE_SECONDS = 60


@dg.sensor(
    job=gateway,
    minimum_interval_seconds=EACH_LOOK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the gateway when none runs. One that a person terminated stays off until a person starts it.",
)
def gateway_keep_alive(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
    settings = firehose.settings()
    return keep_alive(
        context,
        gateway.name,
        lambda: _gateway_is_alive(settings),
        lambda run_id: process_of(settings, gateway.name, run_id),
    )


@dg.sensor(
    job=streams,
    minimum_interval_seconds=EACH_LOOK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the stream when none runs. One that a person terminated stays off until a person starts it.",
)
def streams_keep_alive(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
    settings = firehose.settings()
    return keep_alive(
        context,
        streams.name,
        lambda: lease_is_held(settings),
        lambda run_id: process_of(settings, streams.name, run_id),
    )


class _Seen(msgspec.Struct, frozen=True):
    """What the looks at a run have shown; it decides where no process told that it works on the run. The cursor.

    Looks are counted, not seconds: a laptop that wakes has an hour behind it in a moment, and its clock may be set.
    """

    run_id: str
    was_alive: bool = False
    dead_looks: int = 0
    """In a row, until now."""

    @property
    def must_be_dead(self) -> bool:
        return self.dead_looks >= (LOOKS_AFTER_LIFE if self.was_alive else LOOKS_BEFORE_LIFE)


def keep_alive(
    context: dg.SensorEvaluationContext,
    job_name: str,
    is_alive: Callable[[], bool],
    process_of: Callable[[str], RunProcess],
    epoch_seconds: Callable[[], float] = time.time,
) -> dg.SensorResult:
    """Request a run of the job where none goes on, nobody wants it off, and nothing else does its work.

    A run that goes on by Dagster's word, but has lost its process, is closed first: as failed, or as canceled where it
    was being terminated, so that it stays off. So is one of which no process told, once it shows no life. One whose
    process lives is let be, whatever else it shows: it may only be unable to write its status.
    """
    instance = context.instance
    going_on = instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=UNFINISHED), limit=1)
    if going_on:
        run = going_on[0].dagster_run
        if run.status not in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING):
            return dg.SensorResult(skip_reason=f"run {run.run_id} is {run.status.value}")
        process = process_of(run.run_id)
        seen = _look(context.cursor, run.run_id, is_alive=process is RunProcess.ALIVE or is_alive())
        if _ended_without_a_word(instance, run.run_id, process) or seen.must_be_dead:
            told = f"closed by {context.sensor_name}: its process is gone"
            if run.status == dg.DagsterRunStatus.CANCELING:
                instance.report_run_canceled(run, told)
            else:
                instance.report_run_failed(run, told)
            return dg.SensorResult(skip_reason=f"run {run.run_id} had lost its process and was closed")
        return dg.SensorResult(
            skip_reason=f"run {run.run_id} is {run.status.value}", cursor=msgspec.json.encode(seen).decode()
        )
    if is_alive():
        return dg.SensorResult(skip_reason="another process does this job's work on this home")
    finished = instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=FINISHED), limit=8)
    if finished:
        last = finished[0].dagster_run
        if last.status == dg.DagsterRunStatus.CANCELED and last.tags.get(STOPPED_BY_TAG) != STOPPED_BY_INSTALLATION:
            return dg.SensorResult(
                skip_reason=f"run {last.run_id} was terminated by a person; launch the job `{job_name}` to go on"
            )
        pause = _pause_seconds(finished)
        since_end = epoch_seconds() - (finished[0].end_time or 0.0)
        # An end in the future is one before the clock was set back: how long ago is not known.
        if 0 <= since_end < pause:
            return dg.SensorResult(skip_reason=f"run {last.run_id} failed; the next attempt waits {pause} s")
    return dg.SensorResult(run_requests=[dg.RunRequest()])


def _ended_without_a_word(instance: dg.DagsterInstance, run_id: str, process: RunProcess) -> bool:
    if process is not RunProcess.DEAD:
        return False
    # Asked after the lock: the process may have ended in good order since the run was read.
    run = instance.get_run_by_id(run_id)
    return run is not None and not run.is_finished


def _look(cursor: str | None, run_id: str, *, is_alive: bool) -> _Seen:
    """What was seen of this run before, and now."""
    before = _Seen(run_id)
    with contextlib.suppress(msgspec.DecodeError):  # another version's cursor tells nothing
        held = msgspec.json.decode(cursor or "null", type=_Seen | None)
        before = held if held is not None and held.run_id == run_id else before
    if is_alive:
        return _Seen(run_id, was_alive=True)
    return _Seen(run_id, before.was_alive, before.dead_looks + 1)


def _pause_seconds(finished: Sequence[dg.RunRecord]) -> int:
    """2, 4, 8 .. s after as many failures in a row of runs that did not last a minute; 0 after any other end."""
    failures = 0
    for record in finished:
        is_short = (record.end_time or 0.0) - (record.start_time or record.end_time or 0.0) < _LONGEST_PAUSE_SECONDS
        if record.dagster_run.status != dg.DagsterRunStatus.FAILURE or not is_short:
            break
        failures += 1
    return min(2**failures, _LONGEST_PAUSE_SECONDS) if failures else 0


def _gateway_is_alive(settings: Settings) -> bool:
    try:
        status = read_status(settings)
    except msgspec.DecodeError:  # another version's: nothing is known, and the gateway's own lock admits one
        return False
    return status is not None and is_alive(status, datetime.now(UTC))
