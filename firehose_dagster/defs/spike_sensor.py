"""The spike sensor: finds what is undelivered, and executes the alert job for it in its own process.

Not by a `RunRequest`: a worker is a new Python process that imports Dagster and the code location, and each alert came
7 s later for it (docs/decisions/0021).
"""

import threading
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import dagster as dg

from firehose_dagster.alerts.ledger import LedgerError
from firehose_dagster.alerts.outbox import BACKOFF, Attempt, expiry, plan
from firehose_dagster.alerts.signature import signer
from firehose_dagster.alerts.watch import Cursor, attempts_digest, has_work
from firehose_dagster.defs.alerts import (
    AttemptConfig,
    SelectSpikesConfig,
    deliver_spikes,
    max_age,
    ops_deliveries,
    select_spikes,
    shared_ledger,
)
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.run_process import has_lost_its_process, hold_run
from firehose_dagster.defs.run_states import UNFINISHED
from firehose_dagster.defs.sensor_interval import EACH_LOOK_SECONDS
from firehose_dagster.defs.telling import told_if_possible
from firehose_dagster.settings import Settings

ATTEMPTS_PER_RUN = 100
RUN_GIVEN_UP_AFTER = timedelta(minutes=10)
"""A person's run that is unfinished for longer than any run can take no longer holds back the next."""
ATTEMPTS_TAG = "firehose/attempts"
PROCESS_TAG = "firehose/process"
_THIS_PROCESS = uuid.uuid4().hex
"""Not the pid, which a container gives to each of its lives."""
_delivering = threading.Lock()
"""A tick that the daemon gave up goes on here, and *Test sensor* in the UI is evaluated here, too."""
SENSOR_RUN_ID = "spike_sensor"
"""Stands where a run id does in the rows that the sensor writes itself."""


@dg.sensor(
    target=deliver_spikes,
    minimum_interval_seconds=EACH_LOOK_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares crypto_spikes with ops_deliveries and executes deliver_spikes for what is due; a test, too.",
)
def spike_sensor(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
    settings = firehose.settings()
    problem = _secret_problem(settings)
    if problem is not None:
        return dg.SensorResult(skip_reason=problem)
    if not _delivering.acquire(blocking=False):
        return dg.SensorResult(skip_reason="another tick is delivering", cursor=context.cursor)
    try:
        return _tick(context, settings, datetime.now(UTC))
    finally:
        _delivering.release()


def _tick(context: dg.SensorEvaluationContext, settings: Settings, now: datetime) -> dg.SensorResult:
    try:
        ledger = shared_ledger(settings)
        position = ledger.position()
        if not has_work(context.cursor, position, now):
            return dg.SensorResult(skip_reason="nothing new, nothing due", cursor=context.cursor)
        delivering = _delivering_run_id(context.instance, settings, now)
        if delivering is not None:
            return dg.SensorResult(skip_reason=f"run {delivering} is delivering", cursor=context.cursor)
        planned = plan(ledger.recent_spikes(now), ledger.recent_deliveries(now), now, max_age(settings))
        ledger.append([expiry(key, now, SENSOR_RUN_ID) for key in planned.expired])
    except LedgerError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    if not planned.attempts:
        reason = f"expired: {len(planned.expired)}; next due: {planned.next_attempt_at or 'nothing'}"
        return dg.SensorResult(skip_reason=reason, cursor=Cursor.at(position, planned.next_attempt_at, now))
    told = _deliver(context, settings, planned.attempts[:ATTEMPTS_PER_RUN], now)
    return dg.SensorResult(skip_reason=told, cursor=Cursor.at(position, now, now))


def _deliver(
    context: dg.SensorEvaluationContext, settings: Settings, attempts: Sequence[Attempt], now: datetime
) -> str:
    """What the tick is to say: the run that was executed, or that it waits.

    It waits where runs for the very same attempts ended without a record: those come again with backoff.
    """
    digest = attempts_digest(attempts)
    earlier = context.instance.get_run_records(
        dg.RunsFilter(job_name=deliver_spikes.name, tags={ATTEMPTS_TAG: digest}), limit=len(BACKOFF) + 1
    )
    if earlier:
        # Its beginning: the end of one that died is the moment in which it was closed, which may be now.
        began_at = earlier[0].create_timestamp
        again_at = began_at + BACKOFF[min(len(earlier), len(BACKOFF)) - 1]
        if began_at <= now < again_at:
            return f"run {earlier[0].dagster_run.run_id} ended without a record; again at {again_at.isoformat()}"
    with told_if_possible("which process delivers"):
        _hold_this_process(settings)
    config = SelectSpikesConfig(attempts=[AttemptConfig.of(attempt) for attempt in attempts])
    run = deliver_spikes.execute_in_process(
        run_config=dg.RunConfig(ops={select_spikes.name: config}),
        instance=context.instance,
        tags={ATTEMPTS_TAG: digest, PROCESS_TAG: _THIS_PROCESS, **_labels(context)},
        # The run says what was wrong, and the next tick goes on.
        raise_on_error=False,
    )
    if not run.success:
        return f"run {run.run_id} failed, see its log; planned: {len(attempts)}"
    return f"run {run.run_id} attempted {len(attempts)}: outcomes in {ops_deliveries.key.to_user_string()}"


def _labels(context: dg.SensorEvaluationContext) -> dict[str, str]:
    """By which the UI lists a run under its job and its sensor, as Dagster tags the runs that it launches itself."""
    labels = {"dagster/sensor_name": spike_sensor.name}
    if context.code_location_origin is not None:
        labels[".dagster/repository"] = f"{context.repository_name}@{context.code_location_origin.location_name}"
    return labels


@lru_cache(maxsize=1)
def _hold_this_process(settings: Settings) -> None:
    hold_run(settings, spike_sensor.name, _THIS_PROCESS)


def _delivering_run_id(instance: dg.DagsterInstance, settings: Settings, now: datetime) -> str | None:
    """The run that goes on. One whose process is gone is closed as failed, however old it is."""
    going_on = None
    for record in instance.get_run_records(dg.RunsFilter(job_name=deliver_spikes.name, statuses=UNFINISHED)):
        run = record.dagster_run
        process = run.tags.get(PROCESS_TAG)
        if process is not None and has_lost_its_process(settings, spike_sensor.name, process):
            instance.report_run_failed(run, f"closed by {spike_sensor.name}: the process that executed it is gone")
        elif now - record.create_timestamp < RUN_GIVEN_UP_AFTER:
            going_on = run.run_id
    return going_on


def _secret_problem(settings: Settings) -> str | None:
    secret = settings.webhook_secret.get_secret_value()
    if not secret:
        return "FIREHOSE_WEBHOOK_SECRET is not set: no alert is sent"
    try:
        signer(secret)
    except ValueError as error:
        return str(error)
    return None
