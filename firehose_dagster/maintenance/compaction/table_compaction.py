"""One run of compaction on one table: plan, and for each group rewrite, prove, commit, check, record.

Killed at any step, the table is readable and holds the same rows: before the commit the new file is listed nowhere and
the next run plans the group anew; after it the next run finds the commit by its stamp, checks and records it.
"""

import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from filelock import FileLock, Timeout
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from firehose_dagster.contracts.position import WATERMARK
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.maintenance.compaction.live_files import listing
from firehose_dagster.maintenance.compaction.plan import Thresholds, open_from, plan
from firehose_dagster.maintenance.compaction.report import CompactionReport
from firehose_dagster.maintenance.compaction.rewrite_commit import TableRewriter
from firehose_dagster.maintenance.compaction.rewrite_jvm import iceberg_jvm
from firehose_dagster.maintenance.compaction.run import CompactionRun
from firehose_dagster.maintenance.compaction.step import Step
from firehose_dagster.maintenance.compaction.unfinished import unfinished
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class CompactionBusyError(ExplainedError):
    """Another process compacts this lake."""


def _pass_by(step: Step) -> None:
    logger.debug("step %s", step)


def compact(
    settings: Settings,
    contract: Table,
    *,
    now: datetime | None = None,
    on_step: Callable[[Step], None] = _pass_by,
    stop: threading.Event | None = None,
) -> CompactionReport:
    """Merge the small files of the table's closed partitions; where there is nothing to do, no JVM is started.

    Ends after the group at work once `stop` is set. Raises ``CompactionProofError`` where a rewrite did not hold the
    same rows (the table then holds what it held before), ``CompactionBusyError`` where another process is at it.
    """
    lock = settings.state_dir / "compaction.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(lock, timeout=0):
            return _compact(settings, contract, now or datetime.now(UTC), on_step, stop or threading.Event())
    except Timeout as error:
        raise CompactionBusyError(
            f"the lake under {settings.home} is being compacted by another process ({lock} is locked); let it end first"
        ) from error


def _compact(
    settings: Settings, contract: Table, now: datetime, on_step: Callable[[Step], None], stop: threading.Event
) -> CompactionReport:
    catalog = open_catalog(settings)
    try:
        table = catalog.load_table(contract.identifier)
    except NoSuchTableError:
        return CompactionReport(table=contract, skipped="the table is not there yet")
    held = listing(table)
    if held is None:
        return CompactionReport(table=contract, skipped="the table is empty")
    if held.has_row_deletes:
        return CompactionReport(table=contract, skipped="the table has row deletes, which nothing of ours writes")
    planned = plan(held.files, _open_from(settings, catalog, contract), thresholds(settings))
    pending = unfinished(catalog, table, contract)
    on_step(Step.PLANNED)
    if not (planned.groups or pending or held.manifests >= settings.compaction_min_manifests):
        return CompactionReport(
            table=contract,
            open_partitions=planned.open_partitions,
            compact_partitions=planned.compact_partitions,
            manifests_before=held.manifests,
            manifests_after=held.manifests,
        )
    with iceberg_jvm(settings) as jvm:
        run = CompactionRun(settings, catalog, contract, TableRewriter(jvm, contract), on_step)
        return run.work(held, planned, pending, stop)


def thresholds(settings: Settings) -> Thresholds:
    """The thresholds in force."""
    return Thresholds(min_files=settings.compaction_min_files, max_rows=settings.compaction_max_rows_per_file)


def _open_from(settings: Settings, catalog: Catalog, contract: Table) -> int:
    try:
        text = newest_stamp(catalog.load_table(SILVER.identifier), WATERMARK)
    except NoSuchTableError:
        text = None
    margin = timedelta(minutes=settings.compaction_margin_minutes)
    return open_from(contract, None if text is None else int(text), margin)
