"""Reconciliation as an asset, daily: is all that the topic gave where it belongs? What is not is published again."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import dagster as dg

from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.defs.maintenance_pool import POOL, RETRY
from firehose_dagster.defs.maintenance_schedule import scheduled
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.table_metadata import OWNERS, MetadataEntry
from firehose_dagster.gateway.replay_topic import ReplayTopic
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.log_files import log_to_file
from firehose_dagster.maintenance.reconciliation.outcome import GONE, Reconciliation
from firehose_dagster.maintenance.reconciliation.reconcile import reconcile
from firehose_dagster.streams.lease import lease_is_held

KEY = dg.AssetKey(["reconciliation"])
CHECK = "everything_is_where_it_belongs"
_TOLD_EVERY = 24


class ReconciliationConfig(dg.Config):
    """How far the run goes."""

    dry_run: bool = False
    """True: it looks, and publishes nothing."""


@dg.asset(
    key=KEY,
    group_name="maintenance",
    kinds={"iceberg", "kafka", "duckdb"},
    owners=OWNERS,
    deps=[dg.AssetKey([table.name]) for table in (BRONZE, SILVER, QUARANTINE, OPS_COMPLETENESS)],
    pool=POOL,
    retry_policy=RETRY,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)),
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=KEY,
            description=(
                "In the hours that are over, bronze holds each record of the topic, and silver or quarantine what it "
                "says."
            ),
        )
    ],
    description=(
        "Topic against bronze, bronze against silver and quarantine, in the hours that are over and changed since the "
        "last run. What is missing is published to the topic again (`source=replay`): the stream alone writes. Nothing "
        "is published while the stream has not taken what the topic holds."
    ),
)
def reconciliation(
    context: dg.AssetExecutionContext, config: ReconciliationConfig, firehose: FirehoseResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    settings = firehose.settings()
    log_to_file(settings, "reconcile")
    catalog = open_catalog(settings)
    create_tables(catalog)
    stop = threading.Event()

    def tell(done: int, total: int) -> None:
        if done % _TOLD_EVERY == 0:
            context.log.info(f"{done} of {total} parts compared")

    outcome = reconcile(
        catalog,
        settings,
        ReplayTopic(settings, stop),
        run_id=context.run.run_id,
        dry_run=config.dry_run,
        is_stream_running=lease_is_held(settings),
        stop=stop,
        on_progress=tell,
    )
    yield dg.MaterializeResult(asset_key=KEY, metadata=_metadata(outcome))
    yield dg.AssetCheckResult(
        check_name=CHECK,
        passed=outcome.is_complete,
        # What is gone for good is an error; what is under way, or left for the next run, is not yet.
        severity=dg.AssetCheckSeverity.ERROR if outcome.holes.get(GONE) else dg.AssetCheckSeverity.WARN,
        metadata={"why": outcome.summary},
    )


@dg.definitions
def reconciliation_definitions() -> dg.Definitions:
    return scheduled(
        [reconciliation],
        job="reconcile",
        job_description="Compares topic, bronze, silver and quarantine; publishes what is missing.",
        schedule="reconcile_daily",
        cron_schedule="40 1 * * *",
        schedule_description="At 01:40 UTC: yesterday is over, and retention at 02:10 finds it reconciled.",
    )


def _metadata(outcome: Reconciliation) -> dict[str, MetadataEntry]:
    figures: dict[str, MetadataEntry] = {
        "summary": outcome.summary,
        "is complete": str(outcome.is_complete).lower(),
        "hours read": outcome.hours_read,
        "hours left for the next run": outcome.hours_left,
        "trades in neither silver nor quarantine": outcome.trades_missing,
        "rejected records that quarantine lacks": outcome.rejections_missing,
        "records that bronze lacks": sum(outcome.holes.values()),
        "published": outcome.published,
        "told as lost": outcome.told_lost,
    }
    if outcome.holes:
        lines = [f"- {name}: {number:,}" for name, number in sorted(outcome.holes.items())]
        figures["what becomes of them"] = dg.MetadataValue.md("\n".join(lines))
    return figures
