"""Spike alerts: a sensor finds what is undelivered, a job selects it, the job's hook posts and records it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import cast

import dagster as dg
from pydantic import Field

from firehose_dagster.alerts.delivery import Delivery, SpikeKey
from firehose_dagster.alerts.dispatch import dispatch
from firehose_dagster.alerts.ledger import Ledger, LedgerError, open_ledger
from firehose_dagster.alerts.message import body, text
from firehose_dagster.alerts.outbox import BACKOFF, Attempt, expiry, plan
from firehose_dagster.alerts.signature import signer
from firehose_dagster.alerts.watch import Cursor, attempts_digest, has_work
from firehose_dagster.alerts.webhook import WebhookSender
from firehose_dagster.alerts.webhook_target import webhook_url
from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.contracts.trade_tables import SPIKES
from firehose_dagster.crash_points import CrashPoint, reached
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.run_states import UNFINISHED
from firehose_dagster.defs.table_metadata import asset_spec
from firehose_dagster.settings import Settings

SENSOR_INTERVAL_SECONDS = 4
"""Dagster's daemon looks at its sensors every 5 s: an interval of 5 is a moment too long at every other look, so 10."""
ATTEMPTS_PER_RUN = 100
POSTING_BUDGET_SECONDS = 60.0
RUN_GIVEN_UP_AFTER = timedelta(minutes=10)
"""A run unfinished for longer than any run can take has lost its worker, and no longer holds back the next."""
ATTEMPTS_TAG = "firehose/attempts"
SENSOR_RUN_ID = "spike_sensor"
"""Stands where a run id does in the rows that the sensor writes itself."""

ops_deliveries = asset_spec(
    OPS_DELIVERIES, deps=[dg.AssetKey([SPIKES.name])], group="alerts", kinds={"iceberg"}
).merge_attributes(metadata={"written_by": "job deliver_spikes, sensor spike_sensor, command `firehose replay-alerts`"})


class AttemptConfig(dg.Config):
    """One attempt that the sensor planned."""

    spike_id: str
    symbol: str
    minute: str
    kind: str
    number: int
    is_last: bool


class SelectSpikesConfig(dg.Config):
    """What to deliver; nothing named means all that is due now, for a person who starts the job."""

    attempts: list[AttemptConfig] = Field(default=[])


@dataclass(frozen=True)
class Selection:
    """What the op hands to the hook: attempts with the bodies to post, and those whose spike the lake lost."""

    outgoing: Sequence[tuple[Attempt, str]]
    missing: Sequence[Attempt]


@lru_cache(maxsize=1)
def _ledger(settings: Settings) -> Ledger:
    """One per process: the sensor looks every few seconds, and the ledger remembers the files it has read."""
    return open_ledger(settings)


@dg.op(description="Reads the spikes to deliver and leaves out what was recorded since they were planned.")
def select_spikes(context: dg.OpExecutionContext, config: SelectSpikesConfig, firehose: FirehoseResource) -> Selection:
    settings = firehose.settings()
    ledger = _ledger(settings)
    attempts = [_attempt(each) for each in config.attempts]
    if attempts:
        attempts = _without_recorded(attempts, ledger.deliveries_of([attempt.key.spike_id for attempt in attempts]))
    else:
        now = datetime.now(UTC)
        attempts = list(
            plan(ledger.recent_spikes(now), ledger.recent_deliveries(now), now, _max_age(settings)).attempts
        )
    spikes = ledger.spikes([attempt.key for attempt in attempts])
    selection = Selection(
        outgoing=[
            (attempt, body(spikes[attempt.key.spike_id])) for attempt in attempts if attempt.key.spike_id in spikes
        ],
        missing=[attempt for attempt in attempts if attempt.key.spike_id not in spikes],
    )
    reached(CrashPoint.ALERT_SELECTED)
    context.add_output_metadata(
        {
            "selected": len(selection.outgoing),
            "alerts": dg.MetadataValue.md("\n".join(f"- {text(spike)}" for spike in spikes.values()) or "none"),
        }
    )
    return selection


@dg.success_hook(required_resource_keys={"firehose"})
def post_spikes_to_webhook(context: dg.HookContext) -> None:
    """Posts what the op selected, in order, and records every outcome; what the network does is never an error here.

    Rows are written however the posting ends. Where they cannot be, the log says so, and the alerts are sent again
    under their old ids.
    """
    selection = cast(Selection, context.op_output_values["result"])
    if not (selection.outgoing or selection.missing):
        return
    settings: Settings = context.resources.firehose.settings()
    now = datetime.now(UTC)
    rows = [
        Delivery(attempt.key, attempt.number, "dead", None, f"not in {SPIKES.name}", now, 0, context.run_id)
        for attempt in selection.missing
    ]
    try:
        with WebhookSender(webhook_url(settings), settings.webhook_secret.get_secret_value()) as sender:
            for row in dispatch(selection.outgoing, sender.post, context.run_id, budget_seconds=POSTING_BUDGET_SECONDS):
                reached(CrashPoint.ALERT_POSTED)
                rows.append(row)
                context.log.info(_line(row))
    except ValueError as error:
        context.log.error(f"no alert was posted: {error}")
    finally:
        _record(context, settings, rows)


@dg.job(
    hooks={post_spikes_to_webhook},
    # A second process would cost each alert its start-up time.
    executor_def=dg.in_process_executor,
    # The op's output is for the hook alone; nobody reads it from disk later.
    resource_defs={"io_manager": dg.mem_io_manager, "firehose": FirehoseResource()},
    description="Posts signed webhooks for spikes that are due, in the order of each symbol's minutes.",
)
def deliver_spikes() -> None:
    select_spikes()


@dg.sensor(
    target=deliver_spikes,
    minimum_interval_seconds=SENSOR_INTERVAL_SECONDS,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Compares crypto_spikes with ops_deliveries and launches deliver_spikes for what is due.",
)
def spike_sensor(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
    settings = firehose.settings()
    problem = _secret_problem(settings)
    if problem is not None:
        return dg.SensorResult(skip_reason=problem)
    now = datetime.now(UTC)
    try:
        ledger = _ledger(settings)
        position = ledger.position()
        if not has_work(context.cursor, position, now):
            return dg.SensorResult(skip_reason="nothing new, nothing due", cursor=context.cursor)
        running = _unfinished_run_id(context.instance, now)
        if running is not None:
            return dg.SensorResult(skip_reason=f"run {running} is delivering", cursor=context.cursor)
        planned = plan(ledger.recent_spikes(now), ledger.recent_deliveries(now), now, _max_age(settings))
        ledger.append([expiry(key, now, SENSOR_RUN_ID) for key in planned.expired])
    except LedgerError as error:
        return dg.SensorResult(skip_reason=str(error), cursor=context.cursor)
    if not planned.attempts:
        reason = f"expired: {len(planned.expired)}; next due: {planned.next_attempt_at or 'nothing'}"
        return dg.SensorResult(skip_reason=reason, cursor=Cursor.at(position, planned.next_attempt_at, now))
    return _launch(context, planned.attempts[:ATTEMPTS_PER_RUN], Cursor.at(position, now, now), now)


def _launch(
    context: dg.SensorEvaluationContext, attempts: Sequence[Attempt], cursor: str, now: datetime
) -> dg.SensorResult:
    """Request the run, unless runs for the very same attempts ended without a record: those come again with backoff."""
    digest = attempts_digest(attempts)
    earlier = context.instance.get_run_records(
        dg.RunsFilter(job_name=deliver_spikes.name, tags={ATTEMPTS_TAG: digest}), limit=len(BACKOFF) + 1
    )
    if earlier:
        ended_at = earlier[0].update_timestamp
        again_at = ended_at + BACKOFF[min(len(earlier), len(BACKOFF)) - 1]
        if ended_at <= now < again_at:
            reason = f"run {earlier[0].dagster_run.run_id} ended without a record; again at {again_at.isoformat()}"
            return dg.SensorResult(skip_reason=reason, cursor=cursor)
    config = SelectSpikesConfig(attempts=[_attempt_config(attempt) for attempt in attempts])
    request = dg.RunRequest(
        run_key=f"{digest}-{earlier[0].dagster_run.run_id if earlier else 'first'}",
        run_config=dg.RunConfig(ops={select_spikes.name: config}),
        tags={ATTEMPTS_TAG: digest},
    )
    return dg.SensorResult(run_requests=[request], cursor=cursor)


def _record(context: dg.HookContext, settings: Settings, rows: Sequence[Delivery]) -> None:
    if not rows:
        return
    try:
        _ledger(settings).append(rows)
    except LedgerError as error:
        context.log.error(f"{len(rows)} outcomes were not recorded, their alerts may be sent again: {error}")
        return
    reached(CrashPoint.ALERT_RECORDED)
    outcomes = sorted({row.outcome for row in rows})
    counts: dict[str, int] = {outcome: sum(row.outcome == outcome for row in rows) for outcome in outcomes}
    context.instance.report_runless_asset_event(
        dg.AssetMaterialization(
            ops_deliveries.key, metadata={**counts, "run_id": context.run_id, "attempts": len(rows)}
        )
    )


def _unfinished_run_id(instance: dg.DagsterInstance, now: datetime) -> str | None:
    records = instance.get_run_records(
        dg.RunsFilter(job_name=deliver_spikes.name, statuses=UNFINISHED, created_after=now - RUN_GIVEN_UP_AFTER),
        limit=1,
    )
    return records[0].dagster_run.run_id if records else None


def _secret_problem(settings: Settings) -> str | None:
    secret = settings.webhook_secret.get_secret_value()
    if not secret:
        return "FIREHOSE_WEBHOOK_SECRET is not set: no alert is sent"
    try:
        signer(secret)
    except ValueError as error:
        return str(error)
    return None


def _without_recorded(attempts: Sequence[Attempt], deliveries: Sequence[Delivery]) -> list[Attempt]:
    """What is still to do: a run that is executed again must not post twice what it posted once."""
    recorded = {(row.key.spike_id, row.attempt) for row in deliveries}
    delivered = {row.key.spike_id for row in deliveries if row.outcome in ("delivered", "acknowledged")}
    return [
        attempt
        for attempt in attempts
        if (attempt.key.spike_id, attempt.number) not in recorded and attempt.key.spike_id not in delivered
    ]


def _max_age(settings: Settings) -> timedelta:
    return timedelta(minutes=settings.alert_max_age_minutes)


def _attempt_config(attempt: Attempt) -> AttemptConfig:
    key = attempt.key
    return AttemptConfig(
        spike_id=key.spike_id,
        symbol=key.symbol,
        minute=key.minute.isoformat(),
        kind=key.kind,
        number=attempt.number,
        is_last=attempt.is_last,
    )


def _attempt(config: AttemptConfig) -> Attempt:
    key = SpikeKey(config.spike_id, config.symbol, datetime.fromisoformat(config.minute), config.kind)
    return Attempt(key, config.number, config.is_last)


def _line(row: Delivery) -> str:
    return (
        f"alert {row.outcome} spike_id={row.key.spike_id} symbol={row.key.symbol} minute={row.key.minute.isoformat()} "
        f"kind={row.key.kind} attempt={row.attempt} status={row.http_status} duration_ms={row.duration_ms} "
        f"detail={row.detail!r}"
    )
