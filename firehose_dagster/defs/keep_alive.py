"""Sensors that keep exactly one gateway and one stream alive, unless a person stopped them."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import psutil

from firehose_dagster.defs.gateway import gateway
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.streams import streams
from firehose_dagster.gateway.status import read_status
from firehose_dagster.local.dagster_runs import STOPPED_BY_INSTALLATION, STOPPED_BY_TAG
from firehose_dagster.settings import Settings
from firehose_dagster.streams.lease import lease_is_held

_INTERVAL_SECONDS = 5
_START_PATIENCE = timedelta(seconds=120)
"""A run that shows no life for this long after its start has lost its worker."""
_LONGEST_PAUSE_SECONDS = 60
_GATEWAY_SILENCE = timedelta(seconds=30)
_FINISHED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_GOING_ON = [
    dg.DagsterRunStatus.QUEUED,
    dg.DagsterRunStatus.NOT_STARTED,
    dg.DagsterRunStatus.STARTING,
    dg.DagsterRunStatus.STARTED,
    dg.DagsterRunStatus.CANCELING,
]


@dg.sensor(
    job=gateway,
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the gateway when none runs. One that a person terminated stays off until a person starts it.",
)
def gateway_keep_alive(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
    settings = firehose.settings()
    return keep_alive(context, gateway.name, lambda: _gateway_is_alive(settings))


@dg.sensor(
    job=streams,
    minimum_interval_seconds=_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Launches the stream when none runs. One that a person terminated stays off until a person starts it.",
)
def streams_keep_alive(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
    settings = firehose.settings()
    return keep_alive(context, streams.name, lambda: lease_is_held(settings))


def keep_alive(context: dg.SensorEvaluationContext, job_name: str, is_alive: Callable[[], bool]) -> dg.SensorResult:
    """Request a run of the job where none goes on, nobody wants it off, and nothing else does its work.

    A run that goes on by Dagster's word, but of which nothing lives, is closed as failed first.
    """
    instance = context.instance
    now = datetime.now(UTC)
    going_on = instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=_GOING_ON), limit=1)
    if going_on:
        run = going_on[0].dagster_run
        started = going_on[0].start_time
        is_late = started is not None and now.timestamp() - started > _START_PATIENCE.total_seconds()
        if run.status in (dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING) and is_late and not is_alive():
            instance.report_run_failed(run, f"closed by {context.sensor_name}: its process is gone")
            return dg.SensorResult(skip_reason=f"run {run.run_id} had lost its process and was closed")
        return dg.SensorResult(skip_reason=f"run {run.run_id} is {run.status.value}")
    if is_alive():
        return dg.SensorResult(skip_reason="another process does this job's work on this home")
    finished = instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=_FINISHED), limit=8)
    if finished:
        last = finished[0].dagster_run
        if last.status == dg.DagsterRunStatus.CANCELED and last.tags.get(STOPPED_BY_TAG) != STOPPED_BY_INSTALLATION:
            return dg.SensorResult(
                skip_reason=f"run {last.run_id} was terminated by a person; launch the job `{job_name}` to go on"
            )
        pause = _pause_seconds(finished)
        ended = finished[0].end_time or 0.0
        if now.timestamp() - ended < pause:
            return dg.SensorResult(skip_reason=f"run {last.run_id} failed; the next attempt waits {pause} s")
    return dg.SensorResult(run_requests=[dg.RunRequest()])


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
    status = read_status(settings)
    if status is None or status.state in ("stopped", "failed"):
        return False
    return psutil.pid_exists(status.pid) and datetime.now(UTC) - status.updated_at < _GATEWAY_SILENCE
