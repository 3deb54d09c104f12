"""The job of one maintenance and the schedule that starts it: on by default, never beside an unfinished run."""

from collections.abc import Sequence

import dagster as dg

from firehose_dagster.defs.maintenance_pool import ENDS_IN_TIME, run_unless_one_is_unfinished


def scheduled(
    assets: Sequence[dg.AssetsDefinition],
    *,
    job: str,
    job_description: str,
    schedule: str,
    cron_schedule: str,
    schedule_description: str,
) -> dg.Definitions:
    """The assets, their job in one process, and its schedule. Cron in UTC.

    After days off there is one run for all that were missed.
    """
    made = dg.define_asset_job(
        job,
        selection=dg.AssetSelection.assets(*assets),
        executor_def=dg.in_process_executor,
        description=job_description,
        tags=ENDS_IN_TIME,
    )

    @dg.schedule(
        job=made,
        name=schedule,
        cron_schedule=cron_schedule,
        execution_timezone="UTC",
        default_status=dg.DefaultScheduleStatus.RUNNING,
        description=schedule_description,
    )
    def start(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        return run_unless_one_is_unfinished(context.instance, job)

    return dg.Definitions(assets=list(assets), jobs=[made], schedules=[start])
