"""Dagster's old runs go, once a day: the asset, its job and its schedule."""

from datetime import UTC, datetime, timedelta

import dagster as dg

from firehose_dagster.defs.maintenance_pool import RETRY
from firehose_dagster.defs.maintenance_schedule import scheduled
from firehose_dagster.defs.old_runs import NEWEST_KEPT, remove_old_runs
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.table_metadata import OWNERS, MetadataEntry

AT_MOST = 5_000
"""Runs that one time removes, ten days of them, in some ten minutes: what a year left is gone in weeks."""


# Not in the pool of maintenance: it does not touch the lake.
@dg.asset(
    group_name="maintenance",
    kinds={"python"},
    owners=OWNERS,
    retry_policy=RETRY,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)),
    description=(
        "Runs of Dagster that ended more than FIREHOSE_DAGSTER_RUNS_KEEP_DAYS ago are removed, with their event logs "
        f"and what they printed. Kept: the newest {NEWEST_KEPT} and the newest success of each job, and each run of "
        "which comes the latest that is shown of an asset, a partition or a check."
    ),
)
def old_run_removal(context: dg.AssetExecutionContext, firehose: FirehoseResource) -> dg.MaterializeResult[None]:
    keep_days = firehose.settings().dagster_runs_keep_days
    done = remove_old_runs(context.instance, datetime.now(UTC) - timedelta(days=keep_days), AT_MOST)
    oldest = context.instance.get_run_records(limit=1, order_by="create_timestamp", ascending=True)
    metadata: dict[str, MetadataEntry] = {
        "runs removed": done.removed,
        "runs kept": context.instance.get_runs_count(),
        "oldest kept": oldest[0].create_timestamp.isoformat() if oldest else "none",
        "kept for days": keep_days,
        "left for the next time": f"yes: one time removes at most {AT_MOST:,}" if done.are_left else "none",
    }
    return dg.MaterializeResult(metadata=metadata)


@dg.definitions
def old_run_removal_definitions() -> dg.Definitions:
    return scheduled(
        [old_run_removal],
        job="remove_old_runs",
        job_description="Removes Dagster's own runs that are old, with their logs.",
        schedule="remove_old_runs_daily",
        cron_schedule="50 2 * * *",
        schedule_description="At 02:50 UTC. After days off, what has become old goes at once, in bounds.",
    )
