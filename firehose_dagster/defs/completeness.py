"""Completeness: a look every five minutes, a check an hour of the day, and a sensor that has the gateway heal."""

import time
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

import dagster as dg
from pyiceberg.exceptions import NoSuchTableError

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS, OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.defs.maintenance_pool import ENDS_IN_TIME, run_unless_one_is_unfinished
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.stream_reports import table_report
from firehose_dagster.defs.table_metadata import MetadataEntry, asset_spec
from firehose_dagster.gateway.heal_requests import ask
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.log_files import log_to_file
from firehose_dagster.maintenance.completeness.healing import HealMemory, plan_heals
from firehose_dagster.maintenance.completeness.hour import HourRow
from firehose_dagster.maintenance.completeness.look import Look, hours_over, look
from firehose_dagster.maintenance.completeness.plot import HOURS_SHOWN, plot_markdown
from firehose_dagster.maintenance.completeness.store import HOUR_US, CompletenessStore
from firehose_dagster.maintenance.completeness.verdicts import HourVerdict, verdicts

POOL = "completeness"
"""Not the one of maintenance: a look takes seconds, and must not wait for a compaction that takes minutes."""
KEY = dg.AssetKey([OPS_COMPLETENESS.name])
_SHOWN_ROWS = 30
_SHOWN_TOO_LONG = 3


@dg.multi_asset(
    name="completeness_look",
    specs=[
        asset_spec(
            OPS_COMPLETENESS,
            deps=[dg.AssetKey([SILVER.name]), dg.AssetKey([OPS_EXCHANGE_HOLES.name])],
            group="operations",
            kinds={"iceberg", "duckdb"},
        ).replace_attributes(
            freshness_policy=dg.FreshnessPolicy.time_window(
                warn_window=timedelta(minutes=15), fail_window=timedelta(hours=1)
            )
        )
    ],
    pool=POOL,
    description=(
        "Looks at the hours of silver that changed since the last look. If it is late: see whether the job "
        "`completeness` fails; the next run makes up for all that were missed."
    ),
)
def completeness_look(context: dg.AssetExecutionContext, firehose: FirehoseResource) -> dg.MaterializeResult[None]:
    settings = firehose.settings()
    log_to_file(settings, "completeness")
    catalog = open_catalog(settings)
    create_tables(catalog)
    found = look(catalog, settings)
    metadata: dict[str, MetadataEntry] = {**table_report(catalog, OPS_COMPLETENESS), **_figures(found)}
    if _is_worth_a_picture(found.rows):
        last_hour = max(row.hour for row in found.rows)
        metadata["completeness over time"] = dg.MetadataValue.md(
            plot_markdown(CompletenessStore(catalog).since(last_hour - HOURS_SHOWN + 1), last_hour)
        )
    return dg.MaterializeResult(asset_key=KEY, metadata=metadata)


def _figures(found: Look) -> dict[str, MetadataEntry]:
    lacking = sorted((row for row in found.rows if row.missing), key=lambda row: -row.missing)
    figures: dict[str, MetadataEntry] = {
        "hours of silver read": found.hours_read,
        "rows written": len(found.rows),
        "hours sealed": sum(row.is_sealed for row in found.rows),
        "hours sealed again": sum(row.is_sealed and row.seal_version > 1 for row in found.rows),
        "ids missing in these hours": sum(row.missing for row in lacking),
        "silver snapshot id": str(found.silver_snapshot_id),
    }
    if lacking:
        figures["what is missing"] = dg.MetadataValue.md(
            "\n".join(
                ["| symbol | hour | missing | expected | first ranges |", "| --- | --- | ---: | ---: | --- |"]
                + [
                    f"| {row.symbol} | {_hour(row.hour):%Y-%m-%d %H}h | {row.missing:,} | {row.expected:,} | "
                    + ", ".join(f"{ids.first}..{ids.last}" for ids in row.missing_ranges[:3])
                    + " |"
                    for row in lacking[:_SHOWN_ROWS]
                ]
            )
        )
    return figures


def _is_worth_a_picture(rows: Sequence[HourRow]) -> bool:
    """The event log keeps every picture: one is drawn when an hour was sealed or is found lacking, not at each look."""
    return any(row.is_sealed or row.missing for row in rows)


def _check_name(hour_of_day: int) -> str:
    return f"hour_{hour_of_day:02d}_utc_is_complete"


@dg.multi_asset_check(
    name="hours_are_complete",
    specs=[
        dg.AssetCheckSpec(
            _check_name(hour),
            asset=KEY,
            description=(
                f"Of the newest hour from {hour:02d}:00 to {(hour + 1) % 24:02d}:00 UTC that is over, no id of any "
                "symbol is missing, in it nor up to the next trade, but for exchange holes."
            ),
        )
        for hour in range(24)
    ],
    can_subset=True,
    description="The verdicts on the last 24 hours that are over. An hour in which nothing is known has no verdict.",
)
def hours_are_complete(
    context: dg.AssetCheckExecutionContext, firehose: FirehoseResource
) -> Iterator[dg.AssetCheckResult]:
    settings = firehose.settings()
    store = CompletenessStore(open_catalog(settings))
    over_before = hours_over(store, settings)
    rows = store.since(over_before - 24) if over_before is not None else []
    for verdict in verdicts(rows, over_before or 0):
        name = _check_name(verdict.hour % 24)
        if dg.AssetCheckKey(KEY, name) in context.selected_asset_check_keys:
            yield dg.AssetCheckResult(
                check_name=name,
                asset_key=KEY,
                passed=verdict.passed,
                severity=dg.AssetCheckSeverity.ERROR if verdict.missing else dg.AssetCheckSeverity.WARN,
                metadata=_verdict_metadata(verdict),
            )


def _verdict_metadata(verdict: HourVerdict) -> dict[str, MetadataEntry]:
    metadata: dict[str, MetadataEntry] = {
        "hour": _hour(verdict.hour).isoformat(),
        "symbols": verdict.symbols,
        "sealed": verdict.sealed,
        "ids missing": verdict.missing,
        "exchange holes": verdict.exchange_holes,
        "trades": verdict.present,
    }
    if verdict.unsealed:
        lines = [f"- {reason}: {count:,}" for reason, count in sorted(verdict.unsealed.items())]
        metadata["why not sealed"] = dg.MetadataValue.md("\n".join(lines))
    if verdict.lacking:
        metadata["symbols that lack ids"] = ", ".join(verdict.lacking[:_SHOWN_ROWS])
    return metadata


completeness = dg.define_asset_job(
    "completeness",
    selection=dg.AssetSelection.assets(KEY) - dg.AssetSelection.all_asset_checks(),
    executor_def=dg.in_process_executor,
    description="Looks at which trades silver holds, in the hours that changed.",
    tags=ENDS_IN_TIME,
)

judge_hours = dg.define_asset_job(
    "judge_hours",
    selection=dg.AssetSelection.checks(hours_are_complete),
    executor_def=dg.in_process_executor,
    description="The verdicts on the last 24 hours that are over.",
    tags=ENDS_IN_TIME,
)


@dg.schedule(
    job=completeness,
    cron_schedule="*/5 * * * *",
    name="completeness_every_5_minutes",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def every_five_minutes(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return run_unless_one_is_unfinished(context.instance, completeness.name)


@dg.schedule(
    job=judge_hours,
    # An hour is over some 15 minutes after its end; the look before this one has seen it.
    cron_schedule="22 * * * *",
    name="judge_hours_hourly",
    default_status=dg.DefaultScheduleStatus.RUNNING,
)
def hourly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
    return run_unless_one_is_unfinished(context.instance, judge_hours.name)


@dg.sensor(
    minimum_interval_seconds=30,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description=(
        "Asks the gateway to fetch ids that two looks in a row found missing; again after pauses that double. Launches "
        "no run: the request is a file that the gateway takes."
    ),
)
def heal_missing_trades(context: dg.SensorEvaluationContext, firehose: FirehoseResource) -> dg.SensorResult:
    settings = firehose.settings()
    memory = HealMemory.from_json(context.cursor)
    try:
        store = CompletenessStore(open_catalog(settings))
    except NoSuchTableError:
        return dg.SensorResult(skip_reason="there was no look at completeness yet")
    look_id = store.last_look_snapshot_id()
    if look_id == memory.look_id:
        return dg.SensorResult(skip_reason="no look since", cursor=context.cursor)
    # However old: what a topic lost unread lies in hours from before all that it keeps.
    plan = plan_heals(store.lacking(), memory, look_id, int(time.time()), settings.completeness_heal_max_ids)
    ask(settings, plan.ask)
    ids = sum(last - first + 1 for _, first, last in plan.ask)
    told = f"asked for {ids:,} ids in {len(plan.ask)} ranges; {len(plan.memory.asked)} ranges are missing"
    if plan.too_long:
        shown = ", ".join(f"{symbol} {first}..{last}" for symbol, first, last in plan.too_long[:_SHOWN_TOO_LONG])
        told += f"; too long for REST, use `firehose backfill`: {shown}"
        context.log.warning(told)
    return dg.SensorResult(skip_reason=told, cursor=plan.memory.to_json())


def _hour(hour: int) -> datetime:
    return from_microseconds(hour * HOUR_US)
