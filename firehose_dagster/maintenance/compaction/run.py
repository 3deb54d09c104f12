"""The run of compaction on one table that has something to do: each group rewritten, proved, committed, checked."""

import logging
import threading
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.table import Table
from firehose_dagster.maintenance.audit_trail import record
from firehose_dagster.maintenance.compaction.fingerprint import Fingerprint, fingerprint
from firehose_dagster.maintenance.compaction.gain import Gain, measure
from firehose_dagster.maintenance.compaction.live_files import LakeFile, Listing, listing
from firehose_dagster.maintenance.compaction.plan import CompactionPlan, Group, partition_start
from firehose_dagster.maintenance.compaction.proof import CompactionProofError, Stamp, prove_written, to_text
from firehose_dagster.maintenance.compaction.report import CompactionReport, GroupResult, Outcome, records
from firehose_dagster.maintenance.compaction.rewrite_commit import STAMP, RewriteConflictError, TableRewriter
from firehose_dagster.maintenance.compaction.rewrite_files import sorted_rows, write_sorted
from firehose_dagster.maintenance.compaction.step import Step
from firehose_dagster.maintenance.compaction.swap import Swap
from firehose_dagster.maintenance.compaction.unfinished import Unfinished
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class CompactionRun:
    """The state of one run, with the means to commit."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        contract: Table,
        rewriter: TableRewriter,
        on_step: Callable[[Step], None],
    ) -> None:
        self._threads = settings.compaction_threads
        self._min_manifests = settings.compaction_min_manifests
        self._catalog = catalog
        self._contract = contract
        self._rewriter = rewriter
        self._swap = Swap(catalog, contract, rewriter, self._threads, on_step)
        self._on_step = on_step
        self._results: list[GroupResult] = []
        self._gain: Gain | None = None

    def work(
        self, held: Listing, planned: CompactionPlan, pending: list[Unfinished], stop: threading.Event
    ) -> CompactionReport:
        """Finish what a run that died left, then the plan; what was done is recorded however this ends.

        Raises ``CompactionProofError`` where a rewrite did not hold the same rows.
        """
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
        where = self._where(group.partition)
        table = self._catalog.load_table(self._contract.identifier)
        paths = sorted(file.path for file in group.files)
        outcome, detail, size = Outcome.REWRITTEN, "", 0
        try:
            before, rows = self._read(table, paths)
            self._on_step(Step.COUNTED)
            new_path = write_sorted(table, self._contract, rows)
            self._on_step(Step.WRITTEN)
            prove_written(before, fingerprint(table, self._contract, [new_path], self._threads), where)
            self._on_step(Step.PROVED)
            stamp = Stamp(
                id=stamp_id, action="rewrite", partition=group.partition, rows=before.rows, digest=before.digest()
            )
            rewrite = self._swap.commit(stamp, frozenset(paths), new_path, snapshot_id)
            self._on_step(Step.COMMITTED)
            detail = self._swap.check(stamp, rewrite, snapshot_id, before)
            outcome = Outcome.PUT_BACK if detail else Outcome.REWRITTEN
            size = len(table.io.new_input(new_path))
            if outcome is Outcome.REWRITTEN and self._gain is None:
                self._gain = measure(table, self._contract, group.partition, paths, [new_path], self._threads)
        except CompactionProofError as error:
            outcome, detail = Outcome.REFUSED, str(error)
        except RewriteConflictError as error:
            outcome, detail = Outcome.CONFLICT, str(error)
        result = GroupResult(
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
        self._add(result, group.reason)

    def _read(self, table: IcebergTable, paths: list[str]) -> tuple[Fingerprint, pa.Table]:
        """The old files by two readers that share no code, side by side where there are threads for both."""
        if self._threads == 1:
            counted = fingerprint(table, self._contract, paths)
            return counted, sorted_rows(table, self._contract, paths)
        with ThreadPoolExecutor(1, "fingerprint") as pool:
            counting = pool.submit(fingerprint, table, self._contract, paths, self._threads - 1)
            rows = sorted_rows(table, self._contract, paths, self._threads - 1)
            return counting.result(), rows

    def _finish(self, each: Unfinished) -> None:
        """Check and record what a run that died had committed."""
        try:
            detail = self._swap.check(each.stamp, each.rewrite, each.parent_id or 0, None)
        except RewriteConflictError as error:
            raise CompactionProofError(
                f"{self._where(each.stamp.partition)}: a rewrite that an earlier run committed does not hold the same "
                f"rows, and the files that it replaced could not be listed again ({error}); run it again, and if it "
                "stays so, `firehose verify` tells what is missing"
            ) from error
        table = self._catalog.load_table(self._contract.identifier)
        files = self._replaced_files(table, each)
        result = GroupResult(
            id=each.stamp.id,
            partition=each.stamp.partition,
            outcome=Outcome.PUT_BACK if detail else Outcome.REWRITTEN,
            started_at=each.committed_at,
            finished_at=datetime.now(UTC),
            rows=each.stamp.rows,
            files_before=len(files),
            bytes_before=sum(file.size_bytes for file in files),
            bytes_after=len(table.io.new_input(each.rewrite.new_path)),
            detail=detail or "committed by a run that ended before it had checked this",
        )
        self._add(result, "left by an earlier run")

    def _replaced_files(self, table: IcebergTable, each: Unfinished) -> list[LakeFile]:
        """As the snapshot before the rewrite lists them; none where that is there no more."""
        if each.parent_id is None or table.snapshot_by_id(each.parent_id) is None:
            return []
        before = listing(table, each.parent_id)
        return [file for file in ([] if before is None else before.files) if file.path in each.rewrite.old_paths]

    def _add(self, result: GroupResult, why: str) -> None:
        """Note what became of a group. Raises ``CompactionProofError`` where its rows were not the same."""
        self._results.append(result)
        where, detail = self._where(result.partition), result.detail
        logger.info("compaction table=%s outcome=%s reason=%s detail=%s", where, result.outcome, why, detail)
        if result.outcome is Outcome.REFUSED:
            raise CompactionProofError(detail)
        if result.outcome is Outcome.PUT_BACK:
            raise CompactionProofError(
                f"{where}: the committed rewrite did not hold the same rows ({detail}); its old files are listed "
                "again, what was appended meanwhile is kept; run `firehose verify`, then check memory and disk of "
                "this machine"
            )

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

    def _where(self, partition: int | None) -> str:
        return f"{self._contract.name}, {partition_start(self._contract, partition)}"
