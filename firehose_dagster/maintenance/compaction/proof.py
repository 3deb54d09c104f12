"""Before and after: a rewrite is proved twice, by reading, and undone where the second proof fails.

The first proof reads the new file back before any snapshot lists it; a rewrite that changed a row is then never seen by
anyone. The second goes through the table as a reader does, after the commit, and judges what the snapshot lists.
"""

from dataclasses import dataclass

import msgspec
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.table import Table
from firehose_dagster.errors import ExplainedError
from firehose_dagster.maintenance.compaction.fingerprint import Fingerprint, differences, fingerprint
from firehose_dagster.maintenance.compaction.live_files import listed_twice, partition_listing


class CompactionProofError(ExplainedError):
    """A rewrite did not hold the rows that it replaced. It is not in the table, or no longer."""


class Stamp(msgspec.Struct, frozen=True, kw_only=True):
    """What a commit of compaction says of itself in its snapshot's summary."""

    id: str
    action: str
    """`rewrite`, `put_back` or `manifests`."""
    partition: int | None = None
    rows: int = 0
    digest: str = ""
    """Of the fingerprint of the rows, before."""


def to_text(stamp: Stamp) -> str:
    """The stamp as the summary holds it."""
    return msgspec.json.encode(stamp).decode()


def from_text(text: str) -> Stamp:
    """The inverse of `to_text`. Raises ``msgspec.MsgspecError`` for a text that is no stamp."""
    return msgspec.json.decode(text, type=Stamp)


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One group's rewrite as it was committed."""

    snapshot_id: int
    old_paths: frozenset[str]
    new_path: str


def prove_written(before: Fingerprint, after: Fingerprint, where: str) -> None:
    """Raises ``CompactionProofError`` where the new file holds other rows than the old ones."""
    found = differences(before, after)
    if found:
        raise CompactionProofError(
            f"{where}: the rewritten file does not hold the same rows and was not committed ({'; '.join(found)}); "
            "the table is as it was; run it again, and check memory and disk of this machine if it stays so"
        )


def problems(
    table: IcebergTable, contract: Table, rewrite: Rewrite, stamp: Stamp, before: Fingerprint | None, threads: int
) -> list[str]:
    """What is wrong with a committed rewrite, in words; empty where nothing is.

    Judged on the snapshot of the rewrite: files added since belong to others. `before` names what differs; without it
    the stamp's digest tells only whether.
    """
    files, did = partition_listing(table, rewrite.snapshot_id, stamp.partition)
    live = {file.path for file in files}
    found = [f"{path} is listed more than once" for path in listed_twice(files)]
    if rewrite.new_path not in live:
        found.append(f"{rewrite.new_path} is not listed")
    still = rewrite.old_paths & live
    if still:
        found.append(f"{len(still)} of {len(rewrite.old_paths)} replaced files are still listed")
    if did.removed != rewrite.old_paths or did.added != {rewrite.new_path}:
        found.append(f"the commit added {len(did.added)} and removed {len(did.removed)} files, not these")
    if not found:
        after = fingerprint(table, contract, [rewrite.new_path], threads)
        if before is not None:
            found = differences(before, after)
        elif after.digest() != stamp.digest:
            found = [f"{after.rows:,} rows that are not the {stamp.rows:,} rows replaced"]
    return found
