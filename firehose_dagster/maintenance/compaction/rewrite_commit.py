"""The commits of compaction, through Iceberg's Java library: files replaced, put back, manifests rewritten.

The stream commits to the same tables every second or so. A commit of ours that lands while one of its own is on the way
costs it a retry, so ours waits until the stream has just committed: then there is time until its next.
"""

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from py4j.protocol import Py4JJavaError

from firehose_dagster.contracts.table import Table
from firehose_dagster.maintenance.compaction.rewrite_jvm import IcebergJvm

logger = logging.getLogger(__name__)

STAMP = "firehose.compaction"
"""On every commit of compaction: what it did and what it proved, as JSON."""
_BUSY_WITHIN_SECONDS = 10.0
"""A table whose newest commit is older than this has no writer to wait for."""
_GAP_PATIENCE_SECONDS = 5.0
_ASK_EVERY_SECONDS = 0.02
_LOST = ("ValidationException", "CommitFailedException")


class RewriteConflictError(Exception):
    """The table changed under the rewrite so that it no longer fits. Nothing was committed; a new plan will fit."""


@dataclass(frozen=True, slots=True)
class OldFiles:
    """The files of a group as Java knows them, with their statistics: what putting them back takes."""

    snapshot_id: int
    files: Any
    """A Java set of DataFile."""


class TableRewriter:
    """One table of the lake, for its commits of maintenance."""

    def __init__(self, jvm: IcebergJvm, contract: Table) -> None:
        self._jvm = jvm
        self._contract = contract
        self._table = jvm.table(contract)

    def old_files(self, paths: frozenset[str], partition: int | None, snapshot_id: int) -> OldFiles:
        """The live files at these paths. Raises ``RewriteConflictError`` where the snapshot does not list each once."""
        snapshot = self._table.snapshot(snapshot_id)
        if snapshot is None:
            raise RewriteConflictError(f"snapshot {snapshot_id} is there no more")
        whole: Any = None
        for manifest in snapshot.dataManifests(self._table.io()):
            reader = self._jvm.iceberg.ManifestFiles.read(manifest, self._table.io(), self._table.specs())
            listed = self._jvm.new_list(reader.filterPartitions(self._is_in(partition)))
            whole = listed if whole is None else whole
            if whole is not listed:
                whole.addAll(listed)
        if whole is not None and whole.size() == len(paths):
            return OldFiles(snapshot_id, self._jvm.new_set(whole))
        found = [file for file in (whole or ()) if str(file.location()) in paths]
        if len(found) != len(paths):
            raise RewriteConflictError(f"of {len(paths)} files to replace, snapshot {snapshot_id} lists {len(found)}")
        return OldFiles(snapshot_id, self._jvm.new_set(found))

    def new_file(self, location: str, partition: int | None) -> Any:
        """A written file as Iceberg lists it: size, row count and column statistics as its footer says."""
        iceberg = self._jvm.iceberg
        file = self._table.io().newInputFile(location)
        metrics = iceberg.parquet.ParquetUtil.fileMetrics(file, iceberg.MetricsConfig.forTable(self._table))
        # Hadoop's file system shortens `file:///` in what it opens; the table lists what was asked for.
        builder = iceberg.DataFiles.builder(self._table.spec()).withInputFile(file).withPath(location)
        data = iceberg.PartitionData(self._table.spec().partitionType())
        data.set(0, partition)
        builder = builder.withFormat("parquet").withMetrics(metrics).withPartition(data)
        return (builder.withSortOrder(self._table.sortOrder()) if self._contract.sort else builder).build()

    def replace(self, old: OldFiles, new: Any, stamps: Mapping[str, str]) -> int:
        """Swap the old files for the new one in one commit; returns the snapshot's id.

        Raises ``RewriteConflictError`` where an old file is listed no more, or the new one holds more rows. Where the
        outcome is unknown, Iceberg's own error ends the run: the next one reads what became of it.
        """
        update = self._table.newRewrite().validateFromSnapshot(old.snapshot_id)
        return self._commit(update.rewriteFiles(old.files, self._jvm.new_set([new])), stamps)

    def put_back(self, old: OldFiles, new: Sequence[Any], stamps: Mapping[str, str]) -> int:
        """Swap the new files for the old ones. Whatever else the table took in meanwhile stays.

        An overwrite, since Iceberg refuses a replacement that adds rows.
        """
        update = self._table.newOverwrite()
        for file in new:
            update.deleteFile(file)
        for file in old.files:
            update.addFile(file)
        return self._commit(update, stamps)

    def rewrite_manifests(self, stamps: Mapping[str, str]) -> int:
        """Write the live entries of all manifests into as few as hold them; returns the snapshot's id."""
        return self._commit(self._table.rewriteManifests().clusterBy(self._jvm.constant_function("all")), stamps)

    def _is_in(self, partition: int | None) -> Any:
        name = self._table.spec().fields().get(0).name()
        expressions = self._jvm.iceberg.expressions.Expressions
        return expressions.isNull(name) if partition is None else expressions.equal(name, partition)

    def _commit(self, update: Any, stamps: Mapping[str, str]) -> int:
        for key, value in stamps.items():
            update.set(key, value)
        try:
            # Most of the work, done ahead: what it writes is used again by the commit.
            update.apply()
            self._wait_for_a_gap()
            update.commit()
        except Py4JJavaError as error:
            name = str(error.java_exception.getClass().getSimpleName())
            message = str(error.java_exception.getMessage())
            if name in _LOST or "Invalid REPLACE operation" in message:
                raise RewriteConflictError(f"{self._contract.name}: {message}") from error
            raise
        return next(
            int(snapshot.snapshotId())
            for snapshot in self._lineage()
            if stamps.items() <= dict(snapshot.summary()).items()
        )

    def _lineage(self) -> Iterator[Any]:
        self._table.refresh()
        snapshot = self._table.currentSnapshot()
        while snapshot is not None:
            yield snapshot
            parent_id = snapshot.parentId()
            snapshot = None if parent_id is None else self._table.snapshot(parent_id)

    def _wait_for_a_gap(self) -> None:
        newest = next((each for each in self._lineage() if STAMP not in dict(each.summary())), None)
        if newest is None or time.time() - newest.timestampMillis() / 1_000 > _BUSY_WITHIN_SECONDS:
            return
        seen = self._table.currentSnapshot().snapshotId()
        deadline = time.monotonic() + _GAP_PATIENCE_SECONDS
        while time.monotonic() < deadline:
            time.sleep(_ASK_EVERY_SECONDS)  # between two looks at another process
            self._table.refresh()
            if self._table.currentSnapshot().snapshotId() != seen:
                return
