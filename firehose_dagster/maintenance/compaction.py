"""One run of compaction on one table: plan, and for each group rewrite, prove, commit, check, record.

Killed at any step, the table is readable and holds the same rows: before the commit the new file is listed nowhere and
the next run plans the group anew; after it the next run finds the commit by its stamp, checks and records it.
"""

import logging
import threading
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from filelock import FileLock, Timeout
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.position import WATERMARK
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.maintenance.audit_trail import record
from firehose_dagster.maintenance.compaction_files import Listing, change, listing
from firehose_dagster.maintenance.compaction_plan import (
    CompactionPlan,
    Group,
    Thresholds,
    open_from,
    partition_start,
    plan,
)
from firehose_dagster.maintenance.compaction_proof import (
    CompactionProofError,
    Rewrite,
    Stamp,
    problems,
    prove_written,
    to_text,
)
from firehose_dagster.maintenance.compaction_report import CompactionReport, GroupResult, Outcome, records
from firehose_dagster.maintenance.compaction_unfinished import Unfinished, unfinished
from firehose_dagster.maintenance.fingerprint import Fingerprint, fingerprint
from firehose_dagster.maintenance.gain import Gain, measure
from firehose_dagster.maintenance.rewrite_commit import STAMP, RewriteConflictError, TableRewriter
from firehose_dagster.maintenance.rewrite_files import sorted_rows, write_sorted
from firehose_dagster.maintenance.rewrite_jvm import IcebergJvm, iceberg_jvm
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class CompactionBusyError(ExplainedError):
    """Another process compacts this lake."""


class Step(StrEnum):
    """The moments at which a run may be killed, in their order; a test kills at each."""

    PLANNED = "planned"
    COUNTED = "counted"
    """The old files were read for their fingerprint."""
    WRITTEN = "written"
    PROVED = "proved"
    COMMITTED = "committed"
    FOUND_WRONG = "found_wrong"
    """Only where the second proof failed: nothing was put back yet."""
    PUT_BACK = "put_back"
    CHECKED = "checked"
    MANIFESTS_REWRITTEN = "manifests_rewritten"
    RECORDED = "recorded"


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
        return _Run(settings, catalog, contract, jvm, on_step).work(held, planned, pending, stop)


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


class _Run:
    """The state of one run with a JVM."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        contract: Table,
        jvm: IcebergJvm,
        on_step: Callable[[Step], None],
    ) -> None:
        self._threads = settings.compaction_threads
        self._min_manifests = settings.compaction_min_manifests
        self._catalog = catalog
        self._contract = contract
        self._rewriter = TableRewriter(jvm, contract)
        self._on_step = on_step
        self._results: list[GroupResult] = []
        self._gain: Gain | None = None

    def work(
        self, held: Listing, planned: CompactionPlan, pending: list[Unfinished], stop: threading.Event
    ) -> CompactionReport:
        try:
            for each in pending:
                self._finish(each)
            for group in planned.groups:
                if stop.is_set():
                    break
                self._group(group, held.snapshot_id)
            manifests = self._manifests()
        finally:
            if self._results:
                record(self._catalog, *records(self._contract, self._results, self._gain))
                self._on_step(Step.RECORDED)
        return CompactionReport(
            table=self._contract,
            results=tuple(self._results),
            open_partitions=planned.open_partitions,
            compact_partitions=planned.compact_partitions,
            manifests_before=held.manifests,
            manifests_after=manifests,
            gain=self._gain,
        )

    def _group(self, group: Group, snapshot_id: int) -> None:
        started_at = datetime.now(UTC)
        stamp_id = str(uuid.uuid4())
        where = f"{self._contract.name}, {partition_start(self._contract, group.partition)}"
        table = self._catalog.load_table(self._contract.identifier)
        paths = sorted(file.path for file in group.files)
        outcome, detail, size = Outcome.REWRITTEN, "", 0
        try:
            before = fingerprint(table, self._contract, paths, self._threads)
            self._on_step(Step.COUNTED)
            new_path = write_sorted(table, self._contract, sorted_rows(table, self._contract, paths, self._threads))
            self._on_step(Step.WRITTEN)
            prove_written(before, fingerprint(table, self._contract, [new_path], self._threads), where)
            self._on_step(Step.PROVED)
            stamp = Stamp(
                id=stamp_id, action="rewrite", partition=group.partition, rows=before.rows, digest=before.digest()
            )
            rewrite = self._commit(stamp, frozenset(paths), new_path, snapshot_id)
            self._on_step(Step.COMMITTED)
            detail = self._check(stamp, rewrite, snapshot_id, before)
            outcome = Outcome.PUT_BACK if detail else Outcome.REWRITTEN
            size = len(table.io.new_input(new_path))
            if outcome is Outcome.REWRITTEN and self._gain is None:
                self._gain = measure(table, self._contract, group.partition, paths, [new_path], self._threads)
        except CompactionProofError as error:
            outcome, detail = Outcome.REFUSED, str(error)
        except RewriteConflictError as error:
            outcome, detail = Outcome.CONFLICT, str(error)
        self._results.append(
            GroupResult(
                id=stamp_id,
                partition=group.partition,
                outcome=outcome,
                started_at=started_at,
                finished_at=datetime.now(UTC),
                rows=group.rows,
                files_before=len(paths),
                bytes_before=group.size_bytes,
                bytes_after=size,
                detail=detail,
            )
        )
        logger.info("compaction table=%s outcome=%s %s detail=%s", where, outcome, group.reason, detail)
        _raise_if_wrong(where, outcome, detail)

    def _commit(self, stamp: Stamp, old_paths: frozenset[str], new_path: str, snapshot_id: int) -> Rewrite:
        old = self._rewriter.old_files(old_paths, stamp.partition, snapshot_id)
        new = self._rewriter.new_file(new_path, stamp.partition)
        return Rewrite(self._rewriter.replace(old, new, {STAMP: to_text(stamp)}), old_paths, new_path)

    def _check(self, stamp: Stamp, rewrite: Rewrite, old_snapshot_id: int, before: Fingerprint | None) -> str:
        """The second proof; where it fails, the old files are put back. Returns what was wrong."""
        table = self._catalog.load_table(self._contract.identifier)
        found = problems(table, self._contract, rewrite, stamp, before, self._threads)
        if found:
            self._on_step(Step.FOUND_WRONG)
            self._undo(table, stamp, rewrite, old_snapshot_id)
            self._on_step(Step.PUT_BACK)
        else:
            self._on_step(Step.CHECKED)
        return "; ".join(found)

    def _undo(self, table: IcebergTable, stamp: Stamp, rewrite: Rewrite, old_snapshot_id: int) -> None:
        """List again what is missing of the old files, and no more what the rewrite added.

        Nothing is left to do where a run that died had come this far.
        """
        now = listing(table)
        live = {file.path for file in ([] if now is None else now.files)}
        missing = rewrite.old_paths - live
        wrong = sorted(change(table, rewrite.snapshot_id).added & live)
        if missing or wrong:
            old = self._rewriter.old_files(missing, stamp.partition, old_snapshot_id)
            new = [self._rewriter.new_file(path, stamp.partition) for path in wrong]
            undo = Stamp(id=stamp.id, action="put_back", partition=stamp.partition)
            self._rewriter.put_back(old, new, {STAMP: to_text(undo)})

    def _finish(self, each: Unfinished) -> None:
        """Check and record what a run that died had committed."""
        where = f"{self._contract.name}, {partition_start(self._contract, each.stamp.partition)}"
        detail = self._check(each.stamp, each.rewrite, each.parent_id or 0, None)
        table = self._catalog.load_table(self._contract.identifier)
        before = listing(table, each.parent_id)
        files = [file for file in ([] if before is None else before.files) if file.path in each.rewrite.old_paths]
        outcome = Outcome.PUT_BACK if detail else Outcome.REWRITTEN
        self._results.append(
            GroupResult(
                id=each.stamp.id,
                partition=each.stamp.partition,
                outcome=outcome,
                started_at=each.committed_at,
                finished_at=datetime.now(UTC),
                rows=each.stamp.rows,
                files_before=len(files),
                bytes_before=sum(file.size_bytes for file in files),
                bytes_after=len(table.io.new_input(each.rewrite.new_path)),
                detail=detail or "committed by a run that ended before it had checked this",
            )
        )
        logger.info("compaction finished table=%s outcome=%s detail=%s", where, outcome, detail)
        _raise_if_wrong(where, outcome, detail)

    def _manifests(self) -> int:
        """Rewrite the manifests where there are many; returns how many there are then."""
        held = listing(self._catalog.load_table(self._contract.identifier))
        count = 0 if held is None else held.manifests
        if count < self._min_manifests:
            return count
        try:
            self._rewriter.rewrite_manifests({STAMP: to_text(Stamp(id=str(uuid.uuid4()), action="manifests"))})
        except RewriteConflictError as error:
            logger.warning("manifests left as they are: %s", error)
            return count
        self._on_step(Step.MANIFESTS_REWRITTEN)
        held = listing(self._catalog.load_table(self._contract.identifier))
        return 0 if held is None else held.manifests


def _raise_if_wrong(where: str, outcome: Outcome, detail: str) -> None:
    if outcome is Outcome.REFUSED:
        raise CompactionProofError(detail)
    if outcome is Outcome.PUT_BACK:
        raise CompactionProofError(
            f"{where}: the committed rewrite did not hold the same rows ({detail}); its old files are listed again, "
            "what was appended meanwhile is kept; run `firehose verify`, then check memory and disk of this machine"
        )
