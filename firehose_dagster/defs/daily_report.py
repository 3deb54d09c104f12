"""Yesterday, as a page in the asset's metadata and as a file under the home."""

from datetime import UTC, date, datetime, timedelta

import dagster as dg
from pydantic import Field

from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.defs.maintenance_pool import RETRY
from firehose_dagster.defs.maintenance_schedule import scheduled
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.table_metadata import OWNERS, MetadataEntry
from firehose_dagster.maintenance.daily_report import daily_report as report_of


class ReportConfig(dg.Config):
    """Which day."""

    day: str = Field(default="", description="UTC day as YYYY-MM-DD; empty: yesterday.")


# Not in the pool of maintenance: it only reads.
@dg.asset(
    group_name="operations",
    kinds={"duckdb", "markdown"},
    owners=OWNERS,
    deps=[dg.AssetKey([table.name]) for table in TABLES],
    retry_policy=RETRY,
    freshness_policy=dg.FreshnessPolicy.time_window(warn_window=timedelta(hours=26), fail_window=timedelta(hours=50)),
    description="What the day was: rows, lag, completeness, failed rules, spikes, webhooks, maintenance, files.",
)
def daily_report(
    context: dg.AssetExecutionContext, config: ReportConfig, firehose: FirehoseResource
) -> dg.MaterializeResult[None]:
    settings = firehose.settings()
    day = date.fromisoformat(config.day) if config.day else datetime.now(UTC).date() - timedelta(days=1)
    report = report_of(settings, day)
    path = settings.home / "reports" / f"{day.isoformat()}.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(report.markdown)
    context.log.info(f"report written file={path}")
    metadata: dict[str, MetadataEntry] = {
        "report": dg.MetadataValue.md(report.markdown),
        "file": dg.MetadataValue.path(str(path)),
        "day": day.isoformat(),
        "micro-batches": report.batches,
        "rows in": report.rows_in,
        "rows to silver": report.rows_to_silver,
        "rows quarantined": report.rows_quarantined,
        "spikes": report.spikes,
    }
    if report.lag_p99_ms is not None:
        metadata["lag p99 ms"] = report.lag_p99_ms
    if report.trades_missing is not None:
        metadata["trades missing"] = report.trades_missing
    return dg.MaterializeResult(metadata=metadata)


@dg.definitions
def report() -> dg.Definitions:
    return scheduled(
        [daily_report],
        job="report_yesterday",
        job_description="Tells what yesterday was.",
        schedule="report_daily",
        cron_schedule="35 0 * * *",
        schedule_description="At 00:35 UTC: the day before is closed, late rows of its last minutes have landed.",
    )
