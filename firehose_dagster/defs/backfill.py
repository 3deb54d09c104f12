"""The exchange's archive as an asset, a partition a day: a backfill is launched from the UI."""

import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import date
from pathlib import Path

import dagster as dg
from pydantic import Field

from firehose_dagster.archive.archive_files import ArchiveDayMissingError
from firehose_dagster.archive.backfill import backfill_day
from firehose_dagster.archive.day_outcome import DayOutcome
from firehose_dagster.archive.given_file import GivenFile
from firehose_dagster.archive.opening import archive_days as days_of
from firehose_dagster.archive.opening import archive_source, require_topic
from firehose_dagster.archive.reconciliation import DayReconciliation, reconcile_day
from firehose_dagster.archive.rendering import outcomes_markdown, reconciliation_markdown
from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.sources import EXCHANGE_KEY
from firehose_dagster.defs.table_metadata import OWNERS, MetadataEntry
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.log_files import log_to_file
from firehose_dagster.settings import Settings
from firehose_dagster.streams.catch_up import wait_until_passed
from firehose_dagster.streams.lease import lease_is_held

FIRST_DAY = "2017-08-17"
"""Of the archive: the first day on which a symbol traded."""
POOL = "archive"
"""Its limit of 1 is the instance's default: a backfill of a year is a day at a time."""
KEY = dg.AssetKey(["archive_days"])
CHECK = "archive_equals_silver"


class ArchiveConfig(dg.Config):
    """Which symbols, and where their files are."""

    symbols: list[str] = Field(default=[], description="Empty: FIREHOSE_SYMBOLS.")
    archive_dir: str = Field(
        default="", description="Folder with daily files; empty: fetched from FIREHOSE_ARCHIVE_URL."
    )
    again: bool = Field(default=False, description="Publish also the trades that silver holds.")


@dg.asset(
    key=KEY,
    partitions_def=dg.DailyPartitionsDefinition(start_date=FIRST_DAY),
    deps=[EXCHANGE_KEY],
    group_name="sources",
    kinds={"kafka", "python"},
    owners=OWNERS,
    pool=POOL,
    check_specs=[
        dg.AssetCheckSpec(
            CHECK,
            asset=KEY,
            description="Silver and the archive hold the same trades of the day, by id and content.",
        )
    ],
    description=(
        "One day of the exchange's archive of every symbol, published to the topic where silver does not hold it. A "
        "file is checked by its SHA-256 and read to its end before anything of it is published. To launch a backfill: "
        "*Materialize*, choose the days. It is safe to run a day again."
    ),
)
def archive_days(
    context: dg.AssetExecutionContext, config: ArchiveConfig, firehose: FirehoseResource
) -> Iterator[dg.MaterializeResult[None] | dg.AssetCheckResult]:
    settings = firehose.settings()
    log_to_file(settings, "backfill")
    day = date.fromisoformat(context.partition_key)
    days = days_of(config.symbols or settings.symbols, day, day)
    source = archive_source(settings, Path(config.archive_dir) if config.archive_dir else None)
    require_topic(settings)
    catalog = open_catalog(settings)
    create_tables(catalog)
    publisher = ConfirmedPublisher(settings, threading.Event())
    outcomes: list[DayOutcome] = []
    absent: list[str] = []
    with ExitStack() as files:
        given: dict[ArchiveDay, GivenFile] = {}
        for each in days:
            try:
                given[each] = GivenFile(files.enter_context(source.file_of(each)))
            except ArchiveDayMissingError as error:
                absent.append(str(error))
                context.log.warning(str(error))
                continue
            outcomes.append(backfill_day(catalog, given[each], each, publisher, again=config.again))
        if not outcomes:
            raise dg.Failure(f"no symbol has a file of {day}", metadata={"missing": dg.MetadataValue.json(absent)})
        is_passed = _wait_for_stream(context, settings)
        reconciled = [reconcile_day(catalog, file, each) for each, file in given.items()] if is_passed else []
    yield dg.MaterializeResult(asset_key=KEY, metadata=_metadata(outcomes, absent))
    yield _check(reconciled)


def _wait_for_stream(context: dg.AssetExecutionContext, settings: Settings) -> bool:
    """False where no stream runs, so that silver says nothing of what was published."""
    if not lease_is_held(settings):
        return False
    context.log.info("waiting until the stream has passed what was published")
    wait_until_passed(settings, threading.Event())
    return True


def _metadata(outcomes: list[DayOutcome], absent: list[str]) -> dict[str, MetadataEntry]:
    return {
        "rows in the files": sum(each.rows for each in outcomes),
        "ids": sum(each.ids for each in outcomes),
        "held before": sum(each.held_ids for each in outcomes),
        "published": sum(each.published for each in outcomes),
        "by symbol": dg.MetadataValue.md(outcomes_markdown(outcomes)),
        "id ranges": dg.MetadataValue.json(
            {each.day.symbol: [each.first_agg_id, each.last_agg_id] for each in outcomes}
        ),
        "SHA-256": dg.MetadataValue.json({each.day.symbol: each.sha256 for each in outcomes}),
        "symbols without a file": dg.MetadataValue.json(absent),
    }


def _check(reconciled: list[DayReconciliation]) -> dg.AssetCheckResult:
    if not reconciled:
        return dg.AssetCheckResult(
            check_name=CHECK,
            passed=False,
            severity=dg.AssetCheckSeverity.WARN,
            metadata={"why": "no stream runs, so silver does not hold the day yet; run the day again when one does"},
        )
    return dg.AssetCheckResult(
        check_name=CHECK,
        passed=all(each.ok for each in reconciled),
        metadata={
            "missing in silver": sum(each.missing_in_silver for each in reconciled),
            "of these quarantined": sum(each.quarantined for each in reconciled),
            "missing in archive": sum(each.missing_in_archive for each in reconciled),
            "differing": sum(each.differing for each in reconciled),
            "by symbol": dg.MetadataValue.md(reconciliation_markdown(reconciled)),
        },
    )
