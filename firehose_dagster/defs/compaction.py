"""Compaction as assets, one a table, all by one hourly job: what it merged, what that gained, and that it proved it."""

import dagster as dg

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.defs.maintenance_pool import POOL, RETRY
from firehose_dagster.defs.maintenance_schedule import scheduled
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.table_metadata import OWNERS, MetadataEntry
from firehose_dagster.log_files import log_to_file
from firehose_dagster.maintenance.compaction.gain_plot import markdown
from firehose_dagster.maintenance.compaction.plan import partition_start
from firehose_dagster.maintenance.compaction.priority import beside_the_stream
from firehose_dagster.maintenance.compaction.proof import CompactionProofError
from firehose_dagster.maintenance.compaction.report import CompactionReport
from firehose_dagster.maintenance.compaction.table_compaction import compact

_SHOWN_GROUPS = 50


def _compaction_asset(table: Table) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"compaction_{table.name}",
        deps=[dg.AssetKey([table.name])],
        group_name="maintenance",
        kinds={"iceberg", "arrow"},
        owners=OWNERS,
        pool=POOL,
        # A lost network or a locked lake passes; rows that differ do not, and are not tried again.
        retry_policy=RETRY,
        description=(
            f"Small files of `{table.name}` merged into sorted ones, in partitions that the stream has left. Each "
            "merge is proved to hold the same rows before and after its commit; one that does not is undone, and the "
            "run fails. Where there is nothing to do it ends in a second."
        ),
    )
    def compaction(context: dg.AssetExecutionContext, firehose: FirehoseResource) -> dg.MaterializeResult[None]:
        settings = firehose.settings()
        log_to_file(settings, "compaction")
        try:
            report = beside_the_stream(lambda stop: compact(settings, table, stop=stop))
        except CompactionProofError as error:
            raise dg.Failure(str(error), allow_retries=False) from error
        context.log.info(report.summary)
        return dg.MaterializeResult(metadata=_metadata(report))

    return compaction


@dg.definitions
def compaction() -> dg.Definitions:
    return scheduled(
        [_compaction_asset(table) for table in TABLES],
        job="compact",
        job_description="Merges the small files of every table, one table after the other.",
        schedule="compact_hourly",
        # The hour before ended 40 minutes ago: the watermark (10 minutes) and the margin (15) have passed it.
        cron_schedule="40 * * * *",
        schedule_description="Each hour; after days off one run does what there is, and none starts beside another.",
    )


def _metadata(report: CompactionReport) -> dict[str, MetadataEntry]:
    done = report.rewritten
    files_before = sum(each.files_before for each in done)
    metadata: dict[str, MetadataEntry] = {
        "summary": report.summary,
        "files before": files_before,
        "files after": len(done),
        "rows proved equal": sum(each.rows for each in done),
        "groups left as they were": len(report.results) - len(done),
        "open partitions": report.open_partitions,
        "compact partitions": report.compact_partitions,
        "manifests before": report.manifests_before,
        "manifests after": report.manifests_after,
    }
    if done:
        metadata |= {
            "mean file bytes before": sum(each.bytes_before for each in done) // files_before,
            "mean file bytes after": sum(each.bytes_after for each in done) // len(done),
            "groups": dg.MetadataValue.md(_groups(report)),
        }
    if report.gain is not None:
        gain = report.gain
        metadata["before and after"] = dg.MetadataValue.md(markdown(gain))
        for query in gain.seconds_before:
            metadata[f"{query} seconds before"] = gain.seconds_before[query]
            metadata[f"{query} seconds after"] = gain.seconds_after[query]
    return metadata


def _groups(report: CompactionReport) -> str:
    lines = [
        "| partition | outcome | rows | files before | bytes before | bytes after | |",
        "| - | - | -: | -: | -: | -: | - |",
    ]
    lines += [
        f"| {partition_start(report.table, each.partition)} | {each.outcome} | {each.rows:,} | {each.files_before:,} "
        f"| {each.bytes_before:,} | {each.bytes_after:,} | {each.detail} |"
        for each in report.results[:_SHOWN_GROUPS]
    ]
    if len(report.results) > _SHOWN_GROUPS:
        lines.append(f"| and {len(report.results) - _SHOWN_GROUPS} more | | | | | | |")
    return "\n".join(lines)
