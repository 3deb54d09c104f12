"""Failed runs and failed checks, posted by the same signed webhook as spikes.

A sensor with a cursor of its own, and not Dagster's run failure sensor: that one goes on where the post failed, and the
failure is never told. Here the cursor moves on once the receiver has answered.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
import msgspec

from firehose_dagster.alerts.failures import FailureAlert, RunEnd, alerts_of
from firehose_dagster.alerts.webhook import DeliveryOutcome, WebhookSender
from firehose_dagster.alerts.webhook_target import webhook_url
from firehose_dagster.defs.layer_alert import failing_layer
from firehose_dagster.defs.maintenance_pool import MAINTENANCE_JOBS
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.settings import Settings

_RUNS_A_TICK = 50
_GIVEN_UP_AFTER = timedelta(hours=6)
"""A receiver that is down for longer is not told any more; the run is red in the UI all the same."""
_NOT_UNDERSTOOD = frozenset({400, 415, 422})
"""The receiver knows no such event, and will know none later: it must not hold up the failures to come."""
_OVERLAP = timedelta(seconds=1)
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]


class _Cursor(msgspec.Struct, frozen=True):
    """Runs that ended after `ended_after` are new, but for `told`, which ended in the same moment."""

    ended_after: datetime
    told: list[str] = []
    layer: str | None = None
    """The layer of the stream that was told last, or is being told, and has not recovered."""
    untold: FailureAlert | None = None
    """What is being told of it: not answered yet."""


@dg.sensor(
    name="failure_sensor",
    minimum_interval_seconds=15,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Posts a signed webhook (`maintenance_failed`, `run_failed`, `check_failed`; its id holds the run id) when a "
        "job fails that did not fail before, when other checks fail than in the run before, and when a layer of the "
        "stream takes no batches."
    ),
)
def failure_sensor(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
    settings = firehose.settings()
    secret = settings.webhook_secret.get_secret_value()
    now = datetime.now(UTC)
    if not context.cursor:
        just_now = [each.dagster_run.run_id for each in _ended_since(context.instance, now)]
        return dg.SensorResult(
            skip_reason="runs that end from now on are watched", cursor=_encoded(_Cursor(now, just_now))
        )
    if not secret:
        return dg.SensorResult(skip_reason="FIREHOSE_WEBHOOK_SECRET is not set: no failure is posted")
    cursor = _decoded(context.cursor, now)
    if cursor.ended_after > now:
        # The clock was set back: what ended in its future was told, what ends from now on would seem old.
        just_now = [each.dagster_run.run_id for each in _ended_since(context.instance, now)]
        cursor = msgspec.structs.replace(cursor, ended_after=now, told=just_now)
    ended = _ended_since(context.instance, cursor.ended_after)
    new = [each for each in ended if each.dagster_run.run_id not in cursor.told]
    posted = 0
    try:
        with WebhookSender(webhook_url(settings), secret) as sender:
            cursor = _told_of_layers(context, settings, sender, cursor, now)
            for each in new:
                run = run_end(context.instance, each)
                for alert in alerts_of(run, _before(context.instance, each), MAINTENANCE_JOBS):
                    outcome = sender.post(alert.webhook_id, alert.body)
                    if outcome.outcome == "delivered":
                        posted += 1
                    elif _comes_again(outcome, now - run.ended_at):
                        return dg.SensorResult(skip_reason=f"again later: {outcome.detail}", cursor=_encoded(cursor))
                    else:
                        context.log.warning(f"{alert.webhook_id} is given up: {outcome.detail}")
                cursor = _moved(cursor, each)
    except ValueError as error:
        return dg.SensorResult(skip_reason=f"no failure is posted: {error}", cursor=_encoded(cursor))
    return dg.SensorResult(skip_reason=f"{len(new)} runs ended, {posted} failures posted", cursor=_encoded(cursor))


def _told_of_layers(
    context: dg.SensorEvaluationContext, settings: Settings, sender: WebhookSender, cursor: _Cursor, now: datetime
) -> _Cursor:
    """The cursor with the layer that is told now, and with what is to be posted again where there was no answer."""
    layer, alert = failing_layer(settings, context.instance, now, cursor.layer)
    if alert is None and layer is not None:
        # As it was posted first: the receiver may have it, and knows it by its id. A stream that was started again
        # since shows another moment.
        alert = cursor.untold
    if alert is not None:
        outcome = sender.post(alert.webhook_id, alert.body)
        if outcome.outcome != "delivered":
            context.log.warning(f"{alert.webhook_id} is not told: {outcome.detail}")
        # It is asked for as long as the layer fails: there is no later failure that it could hold up.
        if outcome.outcome == "delivered" or outcome.http_status in _NOT_UNDERSTOOD:
            alert = None
    return msgspec.structs.replace(cursor, layer=layer, untold=alert)


def _comes_again(outcome: DeliveryOutcome, age: timedelta) -> bool:
    return (
        outcome.outcome in ("failed", "unknown")
        and outcome.http_status not in _NOT_UNDERSTOOD
        and age < _GIVEN_UP_AFTER
    )


def run_end(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunEnd:
    """How a run ended, with the checks that it judged as failed (warnings are not told)."""
    run = record.dagster_run
    evaluations = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION).records
    failed_checks = {
        f"{check.asset_key.to_user_string()}:{check.check_name}"
        for each in evaluations
        if each.event_log_entry.dagster_event is not None
        and not (check := each.event_log_entry.dagster_event.asset_check_evaluation_data).passed
        and check.severity == dg.AssetCheckSeverity.ERROR
    }
    failed = run.status == dg.DagsterRunStatus.FAILURE
    return RunEnd(
        run_id=run.run_id,
        job=run.job_name,
        ended_at=record.update_timestamp,
        failed=failed,
        failed_checks=frozenset(failed_checks),
        error=_error(instance, run.run_id) if failed else None,
    )


def _ended_since(instance: dg.DagsterInstance, moment: datetime) -> Sequence[dg.RunRecord]:
    """Runs in the order in which they ended, from a little before the moment: clocks and commits are not exact."""
    return instance.get_run_records(
        dg.RunsFilter(statuses=_ENDED, updated_after=moment - _OVERLAP),
        limit=_RUNS_A_TICK,
        order_by="update_timestamp",
        ascending=True,
    )


def _before(instance: dg.DagsterInstance, record: dg.RunRecord) -> RunEnd | None:
    run = record.dagster_run
    earlier = instance.get_run_records(
        dg.RunsFilter(job_name=run.job_name, statuses=_ENDED, created_before=record.create_timestamp), limit=1
    )
    return run_end(instance, earlier[0]) if earlier else None


def _error(instance: dg.DagsterInstance, run_id: str) -> str | None:
    steps = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.STEP_FAILURE).records
    told = (
        each.event_log_entry.dagster_event.step_failure_data.error_display_string
        for each in steps
        if each.event_log_entry.dagster_event is not None
    )
    return next(told, None) or _run_message(instance, run_id)


def _run_message(instance: dg.DagsterInstance, run_id: str) -> str | None:
    ends: Iterable[dg.EventLogRecord] = instance.get_records_for_run(
        run_id, of_type=dg.DagsterEventType.RUN_FAILURE
    ).records
    return next((event.message for each in ends if (event := each.event_log_entry.dagster_event) is not None), None)


def _moved(cursor: _Cursor, record: dg.RunRecord) -> _Cursor:
    ended_at = record.update_timestamp
    still_near = cursor.told if ended_at - cursor.ended_after < 2 * _OVERLAP else []
    return msgspec.structs.replace(
        cursor, ended_after=max(ended_at, cursor.ended_after), told=[*still_near, record.dagster_run.run_id]
    )


def _encoded(cursor: _Cursor) -> str:
    return msgspec.json.encode(cursor).decode()


def _decoded(text: str, now: datetime) -> _Cursor:
    try:
        return msgspec.json.decode(text, type=_Cursor)
    except msgspec.DecodeError:  # another version's cursor tells nothing: what ended lately may be told again
        return _Cursor(now - _GIVEN_UP_AFTER)
