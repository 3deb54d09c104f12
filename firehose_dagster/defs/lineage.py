"""Lineage of every Dagster run but gateway and stream: a sensor tells what each read and wrote. There only where on."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

import dagster as dg
import msgspec

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.sources import EXCHANGE_KEY, TOPIC_KEY
from firehose_dagster.lineage.stages import EXCHANGE, TOPIC
from firehose_dagster.local.dagster_runs import GATEWAY_JOB, STREAMS_JOB
from firehose_dagster.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from firehose_dagster.lineage.asset_runs import AssetRun

_RUNS_A_LOOK = 50
_TOLD_BY_THEMSELVES = frozenset({GATEWAY_JOB, STREAMS_JOB})
"""They tell their own life, stage by stage."""
_DATASET_BY_KEY = {
    EXCHANGE_KEY: EXCHANGE,
    TOPIC_KEY: TOPIC,
    **{dg.AssetKey([table.name]): table.name for table in TABLES},
}
_STATES: dict[dg.DagsterRunStatus, Literal["START", "COMPLETE", "FAIL", "ABORT"]] = {
    dg.DagsterRunStatus.STARTED: "START",
    dg.DagsterRunStatus.SUCCESS: "COMPLETE",
    dg.DagsterRunStatus.FAILURE: "FAIL",
    dg.DagsterRunStatus.CANCELED: "ABORT",
}


class _Cursor(msgspec.Struct, frozen=True):
    """Up to where runs were told: those updated later are new, or have changed."""

    updated_at: datetime


def tell_runs(context: dg.SensorEvaluationContext, settings: Settings) -> dg.SensorResult:
    """One look: events for each run that started or ended since the last. The first look tells nothing of the past."""
    since = _since(context.cursor)
    records = context.instance.get_run_records(
        dg.RunsFilter(updated_after=since, statuses=list(_STATES)),
        limit=_RUNS_A_LOOK,
        order_by="update_timestamp",
        ascending=True,
    )
    told = [record for record in records if record.dagster_run.job_name not in _TOLD_BY_THEMSELVES]
    for record in told:
        _tell(settings)(_asset_run(context, record))
    newest = max((record.update_timestamp for record in records), default=since)
    cursor = msgspec.json.encode(_Cursor(newest.astimezone(UTC))).decode()
    return dg.SensorResult(skip_reason=f"runs told: {len(told)}", cursor=cursor)


@dg.definitions
def lineage() -> dg.Definitions:
    if Settings().openlineage_url is None:
        return dg.Definitions()

    @dg.sensor(
        minimum_interval_seconds=15,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Sends OpenLineage events for runs that started or ended.",
    )
    def lineage_sensor(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
        return tell_runs(context, firehose.settings())

    return dg.Definitions(sensors=[lineage_sensor])


def _since(cursor: str | None) -> datetime:
    if not cursor:
        return datetime.now(UTC)
    try:
        return msgspec.json.decode(cursor, type=_Cursor).updated_at
    except msgspec.DecodeError:
        return datetime.now(UTC)


@lru_cache(maxsize=1)
def _tell(settings: Settings) -> "Callable[[AssetRun], None]":
    from firehose_dagster.lineage.asset_runs import teller

    return teller(settings)


def _asset_run(context: dg.SensorEvaluationContext, record: dg.RunRecord) -> "AssetRun":
    from firehose_dagster.lineage.asset_runs import AssetRun

    run = record.dagster_run
    outputs: dict[dg.AssetKey, int | None] = {}
    error = None
    wanted = {
        dg.DagsterEventType.ASSET_MATERIALIZATION,
        dg.DagsterEventType.RUN_FAILURE,
        dg.DagsterEventType.STEP_FAILURE,
    }
    for entry in context.instance.all_logs(run.run_id, of_type=wanted):
        event = entry.dagster_event
        materialization = entry.asset_materialization
        if materialization is not None:
            rows = materialization.metadata.get("dagster/row_count")
            outputs[materialization.asset_key] = rows.value if isinstance(rows, dg.IntMetadataValue) else None
        elif event is not None and (event.is_failure or event.is_step_failure):
            error = error or _reason(event)
    graph = context.repository_def.asset_graph if context.repository_def is not None else None
    parents = {parent for key in outputs if graph and graph.has(key) for parent in graph.get(key).parent_keys}
    return AssetRun(
        job=_job_name(run, outputs),
        run_id=run.run_id,
        state=_STATES[run.status],
        started_at=_instant(record.start_time) or record.create_timestamp,
        ended_at=_instant(record.end_time),
        inputs=sorted(_DATASET_BY_KEY[key] for key in parents - outputs.keys() if key in _DATASET_BY_KEY),
        outputs={_DATASET_BY_KEY[key]: rows for key, rows in outputs.items() if key in _DATASET_BY_KEY},
        error=error if run.status == dg.DagsterRunStatus.FAILURE else None,
    )


def _reason(event: dg.DagsterEvent) -> str | None:
    """The first cause: what Dagster wraps around it says only in which step it was."""
    error = event.step_failure_data.error if event.is_step_failure else event.job_failure_data.error
    while error is not None and error.cause is not None:
        error = error.cause
    return event.message if error is None else error.message.strip()


def _job_name(run: dg.DagsterRun, outputs: dict[dg.AssetKey, int | None]) -> str:
    """A run of assets from the UI has a job that names none of them."""
    if run.job_name.startswith("__") and outputs:
        return "materialize." + "+".join(sorted(key.to_user_string() for key in outputs))
    return run.job_name


def _instant(epoch_seconds: float | None) -> datetime | None:
    return None if epoch_seconds is None else datetime.fromtimestamp(epoch_seconds, UTC)
