"""What every maintenance shares: one pool, so that one runs at a time beside the stream, and one run of a kind."""

from collections.abc import Sequence

import dagster as dg

from firehose_dagster.defs.run_states import UNFINISHED

POOL = "maintenance"
"""Its limit of 1 is the instance's default for pools."""
MAINTENANCE_JOBS = (
    "expire_snapshots",
    "remove_orphans",
    "compact",
    "completeness",
    "judge_hours",
    "retire_old_rows",
    "reconcile",
    "report_yesterday",
    "remove_old_runs",
)
"""Jobs whose failure is told as `maintenance_failed`."""
RETRY = dg.RetryPolicy(max_retries=2, delay=30, backoff=dg.Backoff.EXPONENTIAL)
"""A lost network or a table that a writer holds passes; the next scheduled run goes on in any case."""
ENDS_IN_TIME = {"dagster/max_runtime": str(6 * 3_600)}
"""Tags of every job here and of `verify_promises`. Seconds, longer than any run takes with its waits for the pool.

A run that goes on has lost its process, and would keep its schedule from starting another. What it did not do the next
one does.
"""


def run_unless_one_is_unfinished(instance: dg.DagsterInstance, job_name: str) -> dg.RunRequest | dg.SkipReason:
    """One run, however long the schedule was off; none beside another of the same job."""
    going_on: Sequence[dg.RunRecord] = instance.get_run_records(
        dg.RunsFilter(job_name=job_name, statuses=UNFINISHED), limit=1
    )
    if going_on:
        return dg.SkipReason(f"run {going_on[0].dagster_run.run_id} is at it")
    return dg.RunRequest()
