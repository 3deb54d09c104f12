"""A requirement of a commit that Iceberg does not have, for catalogs that pyiceberg itself commits to."""

from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table.metadata import TableMetadata
from pyiceberg.table.update import AssertTableUUID


class AssertUnnamed(AssertTableUUID):
    """It is this table, and no tag or branch names one of the snapshots, but for refs that go in the same commit.

    Judged on the metadata that the commit replaces. No REST catalog knows it.
    """

    snapshot_ids: frozenset[int]
    expired_refs: tuple[str, ...] = ()

    def validate(self, base_metadata: TableMetadata | None) -> None:  # type: ignore[override] # as pyiceberg does it
        """Raises ``CommitFailedException`` where that does not hold."""
        super().validate(base_metadata)
        refs = {} if base_metadata is None else base_metadata.refs
        for name, ref in refs.items():
            if ref.snapshot_id in self.snapshot_ids and name not in self.expired_refs:
                raise CommitFailedException(f"snapshot {ref.snapshot_id} is named by {name}, which was set meanwhile")
