"""Retention by age of bronze and of the audit, off unless the settings ask for it: one asset, daily."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta

import dagster as dg

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.defs.maintenance_pool import POOL, RETRY
from firehose_dagster.defs.maintenance_schedule import scheduled
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.table_metadata import OWNERS, MetadataEntry
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.retirement_lock import bronze_and_silver_held
from firehose_dagster.log_files import log_to_file
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.retention.audit import roll_up_audit
from firehose_dagster.maintenance.retention.bronze import RetiredHour, retire_bronze


@dg.asset(
    group_name="maintenance",
    kinds={"iceberg", "python"},
    owners=OWNERS,
    deps=[dg.AssetKey([BRONZE.name]), dg.AssetKey([OPS_AUDIT.name])],
    pool=POOL,
    retry_policy=RETRY,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)),
    description=(
        "Hours of bronze older than FIREHOSE_BRONZE_KEEP_DAYS leave once silver is proved to hold their rows; days of "
        "the audit older than FIREHOSE_AUDIT_KEEP_DAYS become a row. Both are off by default."
    ),
)
def retention(context: dg.AssetExecutionContext, firehose: FirehoseResource) -> dg.MaterializeResult[None]:
    settings = firehose.settings()
    log_to_file(settings, "retire_old_rows")
    catalog = open_catalog(settings)
    started_at = datetime.now(UTC)
    hours: list[RetiredHour] = []
    days: list[tuple[date, int, int]] = []
    try:
        # One by one: what was done until one of them fails is done, and is told.
        for hour in retire_bronze(catalog, settings.bronze_keep_days, lambda: bronze_and_silver_held(settings)):
            hours.append(hour)
        for day in roll_up_audit(catalog, settings.audit_keep_days):
            days.append(day)
    finally:
        record(catalog, *_records(context.run.run_id, started_at, hours, days))
    rows_retired = sum(each.rows_retired for each in hours)
    unexplained = [each for each in hours if each.unexplained]
    metadata: dict[str, MetadataEntry] = {
        "bronze": _state(settings.bronze_keep_days),
        "bronze hours retired": len(hours) - len(unexplained),
        "bronze rows retired": rows_retired,
        "bronze hours left whole": len(unexplained),
        "audit": _state(settings.audit_keep_days),
        "audit days summed up": len(days),
    }
    if unexplained:
        metadata["not reconciled"] = dg.MetadataValue.md(_lines(unexplained))
        raise dg.Failure(
            f"{len(unexplained)} hours of bronze hold records that are in no other table, and stay",
            metadata=metadata,
            allow_retries=False,
        )
    return dg.MaterializeResult(metadata=metadata)


@dg.definitions
def retention_definitions() -> dg.Definitions:
    return scheduled(
        [retention],
        job="retire_old_rows",
        job_description="Retention by age of bronze and of the audit.",
        schedule="retire_old_rows_daily",
        cron_schedule="10 2 * * *",
        schedule_description="At 02:10 UTC. Where retention is off, it says so in a second.",
    )


def _records(
    run_id: str, started_at: datetime, hours: Sequence[RetiredHour], days: Sequence[tuple[date, int, int]]
) -> Iterator[MaintenanceRecord]:
    rows_retired, hours_left = sum(each.rows_retired for each in hours), sum(bool(each.unexplained) for each in hours)
    for table, figures in (
        (BRONZE, {"hours": len(hours), "rows_retired": rows_retired, "hours_left": hours_left} if hours else {}),
        (OPS_AUDIT, {"days": len(days), "rows_removed": sum(each[1] - each[2] for each in days)} if days else {}),
    ):
        if figures:
            kind = f"retention:{table.name}"
            yield MaintenanceRecord(f"{run_id}/{kind}", kind, started_at, datetime.now(UTC), figures)


def _state(keep_days: int) -> str:
    return f"kept for {keep_days} days" if keep_days else "off"


def _lines(hours: Sequence[RetiredHour]) -> str:
    return "\n".join(f"- {each.hour.isoformat()}: {each.unexplained:,} records" for each in hours)
