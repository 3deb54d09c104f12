"""The alert job: its op selects the spikes to deliver, its hook posts them and records every outcome."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Self, cast

import dagster as dg
from pydantic import Field

from firehose_dagster.alerts.delivery import Delivery, SpikeKey
from firehose_dagster.alerts.dispatch import dispatch
from firehose_dagster.alerts.ledger import Ledger, LedgerError, open_ledger
from firehose_dagster.alerts.message import body, text
from firehose_dagster.alerts.outbox import Attempt, plan
from firehose_dagster.alerts.webhook import WebhookSender
from firehose_dagster.alerts.webhook_target import webhook_url
from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.contracts.trade_tables import SPIKES
from firehose_dagster.crash_points import CrashPoint, reached
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.table_metadata import asset_spec
from firehose_dagster.settings import Settings

POSTING_BUDGET_SECONDS = 20.0
"""No post is begun later: the sensor executes the job, and Dagster gives a tick 60 s. A last one that hangs in each of
its phases can pass that; the daemon then gives the tick up, the run ends all the same, and no other begins before."""

ops_deliveries = asset_spec(
    OPS_DELIVERIES, deps=[dg.AssetKey([SPIKES.name])], group="alerts", kinds={"iceberg"}
).merge_attributes(metadata={"written_by": "job deliver_spikes, sensor spike_sensor, command `firehose replay-alerts`"})


class AttemptConfig(dg.Config):
    """One attempt that the sensor planned: an `Attempt` as run configuration."""

    spike_id: str
    symbol: str
    minute: str
    kind: str
    number: int
    is_last: bool

    @classmethod
    def of(cls, attempt: Attempt) -> Self:
        key = attempt.key
        return cls(
            spike_id=key.spike_id,
            symbol=key.symbol,
            minute=key.minute.isoformat(),
            kind=key.kind,
            number=attempt.number,
            is_last=attempt.is_last,
        )

    def attempt(self) -> Attempt:
        key = SpikeKey(self.spike_id, self.symbol, datetime.fromisoformat(self.minute), self.kind)
        return Attempt(key, self.number, self.is_last)


class SelectSpikesConfig(dg.Config):
    """What to deliver; nothing named means all that is due now, for a person who starts the job."""

    attempts: list[AttemptConfig] = Field(default=[])


@dataclass(frozen=True)
class Selection:
    """What the op hands to the hook: attempts with the bodies to post, and those whose spike the lake lost."""

    outgoing: Sequence[tuple[Attempt, str]]
    missing: Sequence[Attempt]


@lru_cache(maxsize=1)
def shared_ledger(settings: Settings) -> Ledger:
    """One per process, for the sensor and its job: it remembers the files that it has read."""
    return open_ledger(settings)


@dg.op(description="Reads the spikes to deliver and leaves out what was recorded since they were planned.")
def select_spikes(context: dg.OpExecutionContext, config: SelectSpikesConfig, firehose: FirehoseResource) -> Selection:
    settings = firehose.settings()
    ledger = shared_ledger(settings)
    attempts = [each.attempt() for each in config.attempts]
    if attempts:
        attempts = _without_recorded(attempts, ledger.deliveries_of([attempt.key.spike_id for attempt in attempts]))
    else:
        now = datetime.now(UTC)
        attempts = list(plan(ledger.recent_spikes(now), ledger.recent_deliveries(now), now, max_age(settings)).attempts)
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
    # A process of its own for the step would cost a person's run another start.
    executor_def=dg.in_process_executor,
    # The op's output is for the hook alone; nobody reads it from disk later.
    resource_defs={"io_manager": dg.mem_io_manager, "firehose": FirehoseResource()},
    description="Posts signed webhooks for spikes that are due, in the order of each symbol's minutes.",
)
def deliver_spikes() -> None:
    select_spikes()


def _record(context: dg.HookContext, settings: Settings, rows: Sequence[Delivery]) -> None:
    if not rows:
        return
    try:
        shared_ledger(settings).append(rows)
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


def _without_recorded(attempts: Sequence[Attempt], deliveries: Sequence[Delivery]) -> list[Attempt]:
    """What is still to do: a run that is executed again must not post twice what it posted once."""
    recorded = {(row.key.spike_id, row.attempt) for row in deliveries}
    delivered = {row.key.spike_id for row in deliveries if row.outcome in ("delivered", "acknowledged")}
    return [
        attempt
        for attempt in attempts
        if (attempt.key.spike_id, attempt.number) not in recorded and attempt.key.spike_id not in delivered
    ]


def max_age(settings: Settings) -> timedelta:
    return timedelta(minutes=settings.alert_max_age_minutes)


def _line(row: Delivery) -> str:
    return (
        f"alert {row.outcome} spike_id={row.key.spike_id} symbol={row.key.symbol} minute={row.key.minute.isoformat()} "
        f"kind={row.key.kind} attempt={row.attempt} status={row.http_status} duration_ms={row.duration_ms} "
        f"detail={row.detail!r}"
    )
