"""Expiry and orphan removal of every table: assets, their jobs and schedules. No Spark; nothing to do takes seconds."""

from collections.abc import Callable
from datetime import timedelta

import dagster as dg
from pyiceberg.exceptions import CommitFailedException

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.defs.maintenance_pool import POOL, RETRY
from firehose_dagster.defs.maintenance_schedule import scheduled
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.table_by_table import Told, table_by_table
from firehose_dagster.defs.table_metadata import OWNERS
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.log_files import log_to_file
from firehose_dagster.maintenance.expiry.lake import EXPIRY_ORDER, expire_table
from firehose_dagster.maintenance.expiry.table_expiry import ExpiryOutcome
from firehose_dagster.maintenance.orphans.plan import OrphanPlan, OrphansUnclearError
from firehose_dagster.maintenance.orphans.removal import OrphanOutcome, remove_orphans
from firehose_dagster.settings import Settings

_SHOWN_ORPHANS = 50
_ALL_TABLES = [dg.AssetKey([table.name]) for table in TABLES]


@dg.asset(
    group_name="maintenance",
    kinds={"iceberg", "python"},
    owners=OWNERS,
    deps=_ALL_TABLES,
    pool=POOL,
    retry_policy=RETRY,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=2), fail_window=timedelta(hours=6)),
    description=(
        "Snapshots that no reader needs are removed from every table, with the files that nothing else reaches. Kept: "
        "what the stream goes on from, what gold names, what a tag or a paused reader holds, what was current within "
        "FIREHOSE_SNAPSHOT_MIN_AGE_MINUTES."
    ),
)
def snapshot_expiry(context: dg.AssetExecutionContext, firehose: FirehoseResource) -> dg.MaterializeResult[None]:
    settings = _settings(firehose, "expire_snapshots")
    done = table_by_table(
        context,
        open_catalog(settings),
        "expiry",
        EXPIRY_ORDER,
        lambda table: expire_table(settings, table),
        _tell_expiry,
        CommitFailedException,
    )
    expired = sum(each.snapshots_expired for each in done.outcomes)
    return done.result(
        {
            "summary": f"{expired:,} snapshots expired" if done.anything else "nothing to do",
            "snapshots expired": expired,
            "files removed": sum(each.removed.files for each in done.outcomes),
            "bytes freed": sum(each.removed.bytes for each in done.outcomes),
            "commits lost to a writer": sum(each.conflicts for each in done.outcomes),
        },
        ["expired", "kept", "kept why", "files removed", "bytes freed", "lost races"],
        allow_retries=True,
    )


class OrphanConfig(dg.Config):
    """How far the run goes."""

    dry_run: bool = False
    """True: orphans are listed in the metadata, none is removed."""


@dg.asset(
    group_name="maintenance",
    kinds={"iceberg", "python"},
    owners=OWNERS,
    deps=_ALL_TABLES,
    pool=POOL,
    retry_policy=RETRY,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(days=8), fail_window=timedelta(days=15)),
    description=(
        "Files in the tables' folders that no metadata names and that are at least FIREHOSE_ORPHAN_MIN_AGE_DAYS old: "
        "what crashed commits and lost races left. They are listed in an observation first, then removed."
    ),
)
def orphan_removal(
    context: dg.AssetExecutionContext, config: OrphanConfig, firehose: FirehoseResource
) -> dg.MaterializeResult[None]:
    settings = _settings(firehose, "remove_orphans")
    catalog = open_catalog(settings)
    done = table_by_table(
        context,
        catalog,
        "orphans",
        TABLES,
        lambda table: remove_orphans(
            settings, catalog, table, dry_run=config.dry_run, on_plan=_observe_orphans(context, table, config)
        ),
        _tell_orphans,
        OrphansUnclearError,
    )
    found = sum(len(each.plan.orphans) for each in done.outcomes)
    return done.result(
        {
            "summary": f"{found:,} orphans" if found else "nothing to do",
            "orphans found": found,
            "files removed": sum(each.removed.files for each in done.outcomes),
            "bytes freed": sum(each.removed.bytes for each in done.outcomes),
        },
        ["files listed", "reached", "young", "orphans", "removed", "bytes freed"],
        allow_retries=False,
    )


@dg.definitions
def maintenance() -> dg.Definitions:
    return dg.Definitions.merge(
        scheduled(
            [snapshot_expiry],
            job="expire_snapshots",
            job_description="Removes the snapshots that no reader needs, and their files.",
            schedule="expire_snapshots_every_20_minutes",
            # Off the quarters of an hour, at which the promises are verified.
            cron_schedule="7,27,47 * * * *",
            schedule_description="A table that is committed to each second has 1,200 new snapshots by then, and each "
            "commit rewrites the list of them.",
        ),
        scheduled(
            [orphan_removal],
            job="remove_orphans",
            job_description="Removes files that belong to no table.",
            schedule="remove_orphans_weekly",
            cron_schedule="20 3 * * 0",
            schedule_description="Sundays at 03:20 UTC.",
        ),
    )


def _settings(firehose: FirehoseResource, job: str) -> Settings:
    settings = firehose.settings()
    log_to_file(settings, job)
    return settings


def _tell_expiry(outcome: ExpiryOutcome) -> Told:
    reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(outcome.kept_by_reason.items()))
    removed = outcome.removed
    return Told(
        cells=[
            *(outcome.snapshots_expired, outcome.snapshots_kept, reasons),
            *(removed.files, removed.bytes, outcome.conflicts),
        ],
        figures={
            "snapshots_expired": outcome.snapshots_expired,
            "snapshots_kept": outcome.snapshots_kept,
            "files_removed": removed.files,
            "bytes_freed": removed.bytes,
            "commits": outcome.commits,
            "conflicts": outcome.conflicts,
            "resumed": outcome.resumed,
        }
        if outcome.commits or outcome.resumed
        else {},
    )


def _tell_orphans(outcome: OrphanOutcome) -> Told:
    plan, removed = outcome.plan, outcome.removed
    return Told(
        cells=[plan.listed, plan.reached, plan.young, len(plan.orphans), removed.files, removed.bytes],
        figures={"files_removed": removed.files, "bytes_freed": removed.bytes} if removed.files else {},
    )


def _observe_orphans(
    context: dg.AssetExecutionContext, table: Table, config: OrphanConfig
) -> Callable[[OrphanPlan], None]:
    def observe(plan: OrphanPlan) -> None:
        if not plan.orphans:
            return
        shown = "\n".join(f"- {each.location} ({each.size_bytes:,} bytes)" for each in plan.orphans[:_SHOWN_ORPHANS])
        context.log_event(
            dg.AssetObservation(
                context.asset_key,
                description=f"{'would be' if config.dry_run else 'about to be'} removed from {table.name}",
                metadata={"orphans": len(plan.orphans), "bytes": plan.bytes, "files": dg.MetadataValue.md(shown)},
            )
        )

    return observe
