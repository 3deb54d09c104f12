"""One rewrite put in place of the files that it replaces, judged as a reader finds it, and undone where it is wrong."""

from collections.abc import Callable

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.table import Table
from firehose_dagster.maintenance.compaction.fingerprint import Fingerprint
from firehose_dagster.maintenance.compaction.live_files import change, listing
from firehose_dagster.maintenance.compaction.proof import Rewrite, Stamp, problems, to_text
from firehose_dagster.maintenance.compaction.rewrite_commit import STAMP, TableRewriter
from firehose_dagster.maintenance.compaction.step import Step


class Swap:
    """Swaps files of one table."""

    def __init__(
        self, catalog: Catalog, contract: Table, rewriter: TableRewriter, threads: int, on_step: Callable[[Step], None]
    ) -> None:
        self._catalog = catalog
        self._contract = contract
        self._rewriter = rewriter
        self._threads = threads
        self._on_step = on_step

    def commit(self, stamp: Stamp, old_paths: frozenset[str], new_path: str, snapshot_id: int) -> Rewrite:
        """Replace the files that the snapshot lists. Raises ``RewriteConflictError`` where they are not there."""
        old = self._rewriter.old_files(old_paths, stamp.partition, snapshot_id)
        new = self._rewriter.new_file(new_path, stamp.partition)
        return Rewrite(self._rewriter.replace(old, new, {STAMP: to_text(stamp)}), old_paths, new_path)

    def check(self, stamp: Stamp, rewrite: Rewrite, old_snapshot_id: int, before: Fingerprint | None) -> str:
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
