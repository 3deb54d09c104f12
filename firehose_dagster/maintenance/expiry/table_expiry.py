"""Expiry of one table's snapshots, while its writers write: metadata first, then the files, each step repeatable.

Without Spark: the commit goes through the catalog, the files through the table's own file I/O
(docs/decisions/0013-expiry-without-spark.md).
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyiceberg.catalog import Catalog, MetastoreCatalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table
from pyiceberg.table.refs import MAIN_BRANCH
from pyiceberg.table.update import (
    AssertRefSnapshotId,
    AssertTableUUID,
    RemoveSnapshotRefUpdate,
    RemoveSnapshotsUpdate,
    TableRequirement,
    TableUpdate,
)

from firehose_dagster.maintenance.expiry.assert_unnamed import AssertUnnamed
from firehose_dagster.maintenance.expiry.files import MetadataFiles, reachable_from, unreachable_without
from firehose_dagster.maintenance.expiry.history import history_of
from firehose_dagster.maintenance.expiry.journal import ExpiryJournal, JournalFile
from firehose_dagster.maintenance.expiry.metadata_versions import dropped_versions, earlier_versions
from firehose_dagster.maintenance.expiry.plan import ExpiryPlan, ExpiryPolicy, Needs, plan
from firehose_dagster.maintenance.file_removal import Removed, remove_files
from firehose_dagster.maintenance.pause import QUIET_AFTER_SECONDS, load_behind_the_writer
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

SNAPSHOTS_PER_COMMIT = 1_000
"""pyiceberg's removal takes time with the square of it: 1,000 of 2,000 take 0.3 s, within a batch's pause."""
_ATTEMPTS = 20

STEPS = ("planned", "journal written", "committed", "a file removed", "files removed", "done")
"""Points at which a run may die; the next one goes on from each."""


@dataclass(frozen=True, slots=True)
class ExpiryOutcome:
    """What one expiry of one table did."""

    snapshots_expired: int = 0
    snapshots_kept: int = 0
    refs_expired: tuple[str, ...] = ()
    removed: Removed = field(default_factory=Removed)
    kept_by_reason: dict[str, int] = field(default_factory=dict)
    commits: int = 0
    conflicts: int = 0
    """Commits that were made again because a writer was first."""
    resumed: bool = False
    """Whether an earlier, killed run was finished first."""


class Expiry:
    """Expires snapshots of the table `name` (as contracts spell it)."""

    def __init__(
        self,
        settings: Settings,
        catalog: Catalog,
        name: str,
        identifier: str,
        *,
        quiet_after_seconds: float = QUIET_AFTER_SECONDS,
        on_step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._catalog = catalog
        self._identifier = identifier
        self._journal = JournalFile(settings, name)
        self._quiet_after_seconds = quiet_after_seconds
        self._on_step = on_step

    def run(self, needs: Callable[[Table], Needs], policy: ExpiryPolicy) -> ExpiryOutcome:
        """Finish what an earlier run began, then remove what no reader needs.

        `needs` is asked anew for each commit, with the table as it is then. Raises ``CommitFailedException`` where
        writers were first at every attempt, and what catalog and file store raise; the next run goes on.
        """
        removed = self._finish_earlier_run()
        resumed = removed is not None
        removed = removed or Removed()
        expired = commits = conflicts = 0
        refs: tuple[str, ...] = ()
        # What is superseded while the run goes on is the next one's: else a quick writer would never let it end.
        started_at = datetime.now(UTC)
        while True:
            table, wanted = self._planned(needs, policy, started_at)
            chunk = frozenset(wanted.expire[:SNAPSHOTS_PER_COMMIT])
            if not chunk and not wanted.expired_refs:
                return ExpiryOutcome(
                    snapshots_expired=expired,
                    snapshots_kept=len(wanted.kept),
                    refs_expired=refs,
                    removed=removed,
                    kept_by_reason=wanted.kept_by_reason(),
                    commits=commits,
                    conflicts=conflicts,
                    resumed=resumed,
                )
            self._on_step("planned")
            files = MetadataFiles(table.io)
            journal = ExpiryJournal(
                table_uuid=table.metadata.table_uuid,
                snapshot_ids=sorted(chunk),
                files=unreachable_without(files, table.metadata, chunk).all(),
                last_sequence_number=max(each.sequence_number or 0 for each in table.metadata.snapshots),
                metadata_versions=earlier_versions(table.metadata),
            )
            self._journal.write(journal)
            self._on_step("journal written")
            conflicts += self._commit(chunk, wanted.expired_refs)
            commits += 1
            expired += len(chunk)
            refs += wanted.expired_refs
            self._on_step("committed")
            removed = removed.plus(self._remove(journal))
            self._on_step("files removed")
            self._journal.remove()
            self._on_step("done")

    def _planned(
        self, needs: Callable[[Table], Needs], policy: ExpiryPolicy, now: datetime
    ) -> tuple[Table, ExpiryPlan]:
        table = self._load()
        return table, plan(history_of(table), needs(table), policy, now)

    def _commit(self, snapshot_ids: frozenset[int], refs: tuple[str, ...]) -> int:
        """Remove the snapshots; returns how often a writer was first.

        The catalog refuses the commit where another snapshot than the one seen here became current: should somebody
        roll the table back onto one that is to go, it stays. So it does where a ref was set that the plan did not see;
        a REST catalog cannot be asked for that, so there a tag that somebody sets by hand on an old snapshot in the
        moment between our last look and the commit goes with it. `expiry.readers` pins no such snapshot.
        """
        for conflicts in range(_ATTEMPTS):
            table = load_behind_the_writer(self._load, self._quiet_after_seconds)
            named = {ref.snapshot_id for name, ref in table.metadata.refs.items() if name not in refs}
            held = {each.snapshot_id for each in table.metadata.snapshots}
            if named & snapshot_ids or not snapshot_ids <= held:
                raise CommitFailedException(
                    f"{self._identifier}: a snapshot that was to expire was named or removed meanwhile; run it again"
                )
            try:
                requirements, updates = _removal(table, snapshot_ids, refs)
                if isinstance(self._catalog, MetastoreCatalog):
                    uuid = table.metadata.table_uuid
                    unnamed = AssertUnnamed(uuid=uuid, snapshot_ids=snapshot_ids, expired_refs=refs)
                    requirements = (*requirements, unnamed)
                self._catalog.commit_table(table, requirements, updates)
            except CommitFailedException as error:
                logger.info("expiry lost a race table=%s attempt=%d error=%s", self._identifier, conflicts + 1, error)
                continue
            return conflicts
        raise CommitFailedException(f"{self._identifier}: a writer was first {_ATTEMPTS} times; the next run goes on")

    def _finish_earlier_run(self) -> Removed | None:
        """Delete what a killed run had committed and not yet deleted; None where there was no such run."""
        journal = self._journal.read()
        if journal is None:
            return None
        table = self._load()
        held = {each.snapshot_id for each in table.metadata.snapshots}
        was_committed = held.isdisjoint(journal.snapshot_ids)
        removed = Removed()
        if was_committed and table.metadata.table_uuid == journal.table_uuid:
            removed = self._remove(journal)
        # Where it was not committed, everything is as before, and the plan is made anew.
        self._journal.remove()
        return removed

    def _remove(self, journal: ExpiryJournal) -> Removed:
        """Delete the journal's files but for what was committed since it was written, and the versions of the metadata
        that the commit dropped: no later one knows of them."""
        table = self._load()
        newer = [
            each for each in table.metadata.snapshots if (each.sequence_number or 0) > journal.last_sequence_number
        ]
        needed = reachable_from(MetadataFiles(table.io), table.metadata, newer).all()
        garbage = {location: size for location, size in journal.files.items() if location not in needed}
        dropped = dropped_versions(journal.metadata_versions, table.metadata)
        return remove_files(table.io, {**garbage, **dropped}, lambda _: self._on_step("a file removed"))

    def _load(self) -> Table:
        return self._catalog.load_table(self._identifier)


def _removal(
    table: Table, snapshot_ids: frozenset[int], refs: tuple[str, ...]
) -> tuple[tuple[TableRequirement, ...], tuple[TableUpdate, ...]]:
    """What the commit asks for and does. pyiceberg's models take Iceberg's own spelling, by validation."""
    updates: list[TableUpdate] = [
        RemoveSnapshotRefUpdate.model_validate({"ref-name": name}) for name in refs if name in table.metadata.refs
    ]
    if snapshot_ids:
        updates.append(RemoveSnapshotsUpdate.model_validate({"snapshot-ids": sorted(snapshot_ids)}))
    current = {"ref": MAIN_BRANCH, "snapshot-id": table.metadata.current_snapshot_id}
    return (
        (AssertTableUUID(uuid=table.metadata.table_uuid), AssertRefSnapshotId.model_validate(current)),
        tuple(updates),
    )
