"""Expiry and orphan removal of every table: assets, their jobs and schedules. No Spark; nothing to do takes seconds."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import dagster as dg
from pyiceberg.exceptions import CommitFailedException

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.defs.maintenance_pool import POOL, RETRY, run_unless_one_is_unfinished
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.table_metadata import OWNERS, MetadataEntry
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.log_files import log_to_file
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.expiry import ExpiryOutcome
from firehose_dagster.maintenance.expiry_lake import EXPIRY_ORDER, expire_table
from firehose_dagster.maintenance.orphan_plan import OrphanPlan, OrphansUnclearError
from firehose_dagster.maintenance.orphans import OrphanOutcome, remove_orphans

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
    settings = firehose.settings()
    log_to_file(settings, "maintenance")
    catalog = open_catalog(settings)
    lines: list[str] = []
    records: list[MaintenanceRecord] = []
    problems: list[str] = []
    outcomes: list[ExpiryOutcome] = []
    for table in EXPIRY_ORDER:
        started_at = datetime.now(UTC)
        try:
            outcome = expire_table(settings, table)
        except CommitFailedException as error:
            problems.append(f"{table.name}: {error}")
            continue
        if outcome is None:
            continue
        outcomes.append(outcome)
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(outcome.kept_by_reason.items()))
        lines.append(
            f"| {table.name} | {outcome.snapshots_expired:,} | {outcome.snapshots_kept:,} | {reasons} "
            f"| {outcome.removed.files:,} | {outcome.removed.bytes:,} | {outcome.conflicts} |"
        )
        if outcome.commits or outcome.resumed:
            figures = {
                "snapshots_expired": outcome.snapshots_expired,
                "snapshots_kept": outcome.snapshots_kept,
                "files_removed": outcome.removed.files,
                "bytes_freed": outcome.removed.bytes,
                "commits": outcome.commits,
                "conflicts": outcome.conflicts,
                "resumed": outcome.resumed,
            }
            records.append(_record(context, "expiry", table, started_at, figures))
    record(catalog, *records)
    expired = sum(each.snapshots_expired for each in outcomes)
    metadata: dict[str, MetadataEntry] = {
        "summary": f"{expired:,} snapshots expired" if records else "nothing to do",
        "snapshots expired": expired,
        "files removed": sum(each.removed.files for each in outcomes),
        "bytes freed": sum(each.removed.bytes for each in outcomes),
        "commits lost to a writer": sum(each.conflicts for each in outcomes),
        "tables": _markdown(
            ["table", "expired", "kept", "kept why", "files removed", "bytes freed", "lost races"], lines
        ),
    }
    _fail_if(problems, metadata, allow_retries=True)
    return dg.MaterializeResult(metadata=metadata)


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
    settings = firehose.settings()
    log_to_file(settings, "maintenance")
    catalog = open_catalog(settings)
    lines: list[str] = []
    records: list[MaintenanceRecord] = []
    problems: list[str] = []
    outcomes: list[OrphanOutcome] = []
    for table in TABLES:
        started_at = datetime.now(UTC)
        try:
            outcome = remove_orphans(
                settings, catalog, table, dry_run=config.dry_run, on_plan=_observe_orphans(context, table)
            )
        except OrphansUnclearError as error:
            problems.append(f"{table.name}: {error}")
            continue
        if outcome is None:
            continue
        outcomes.append(outcome)
        lines.append(
            f"| {table.name} | {outcome.plan.listed:,} | {outcome.plan.reached:,} | {outcome.plan.young:,} "
            f"| {len(outcome.plan.orphans):,} | {outcome.removed.files:,} | {outcome.removed.bytes:,} |"
        )
        if outcome.removed.files:
            figures = {"files_removed": outcome.removed.files, "bytes_freed": outcome.removed.bytes}
            records.append(_record(context, "orphans", table, started_at, figures))
    record(catalog, *records)
    found = sum(len(each.plan.orphans) for each in outcomes)
    metadata: dict[str, MetadataEntry] = {
        "summary": f"{found:,} orphans" if found else "nothing to do",
        "orphans found": found,
        "files removed": sum(each.removed.files for each in outcomes),
        "bytes freed": sum(each.removed.bytes for each in outcomes),
        "tables": _markdown(["table", "files listed", "reached", "young", "orphans", "removed", "bytes freed"], lines),
    }
    _fail_if(problems, metadata, allow_retries=False)
    return dg.MaterializeResult(metadata=metadata)


@dg.definitions
def maintenance() -> dg.Definitions:
    expire = dg.define_asset_job(
        "expire_snapshots",
        selection=dg.AssetSelection.assets(snapshot_expiry),
        executor_def=dg.in_process_executor,
        description="Removes the snapshots that no reader needs, and their files.",
    )
    orphans = dg.define_asset_job(
        "remove_orphans",
        selection=dg.AssetSelection.assets(orphan_removal),
        executor_def=dg.in_process_executor,
        description="Removes files that belong to no table.",
    )

    # Off the quarters of an hour, at which the promises are verified.
    @dg.schedule(
        job=expire,
        name="expire_snapshots_every_20_minutes",
        cron_schedule="7,27,47 * * * *",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="A table that is committed to each second has 1,200 new snapshots by then, and each commit "
        "rewrites the list of them.",
    )
    def expire_often(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return run_unless_one_is_unfinished(context.instance, expire.name)

    @dg.schedule(
        job=orphans,
        name="remove_orphans_weekly",
        cron_schedule="20 3 * * 0",
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description="Sundays at 03:20 UTC.",
    )
    def orphans_weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return run_unless_one_is_unfinished(context.instance, orphans.name)

    return dg.Definitions(
        assets=[snapshot_expiry, orphan_removal], jobs=[expire, orphans], schedules=[expire_often, orphans_weekly]
    )


def _observe_orphans(context: dg.AssetExecutionContext, table: Table) -> Callable[[OrphanPlan], None]:
    def observe(plan: OrphanPlan) -> None:
        if not plan.orphans:
            return
        shown = "\n".join(f"- {each.location} ({each.size_bytes:,} bytes)" for each in plan.orphans[:_SHOWN_ORPHANS])
        context.log_event(
            dg.AssetObservation(
                context.asset_key,
                description=f"about to be removed from {table.name}",
                metadata={"orphans": len(plan.orphans), "bytes": plan.bytes, "files": dg.MetadataValue.md(shown)},
            )
        )

    return observe


def _record(
    context: dg.AssetExecutionContext,
    maintenance: str,
    table: Table,
    started_at: datetime,
    figures: dict[str, int | bool],
) -> MaintenanceRecord:
    kind = f"{maintenance}:{table.name}"
    return MaintenanceRecord(f"{context.run.run_id}/{kind}", kind, started_at, datetime.now(UTC), figures)


def _markdown(columns: Sequence[str], lines: Sequence[str]) -> dg.MarkdownMetadataValue:
    head = [f"| {' | '.join(columns)} |", f"|{' - |' * len(columns)}"]
    return dg.MetadataValue.md("\n".join([*head, *lines]))


def _fail_if(problems: Sequence[str], metadata: dict[str, MetadataEntry], *, allow_retries: bool) -> None:
    """The other tables are done first; then the run says what was not."""
    if problems:
        raise dg.Failure("; ".join(problems), metadata=metadata, allow_retries=allow_retries)
