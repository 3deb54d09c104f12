"""Each commit of the stream says where it believed the table to stand: another one that came between is seen.

The lease keeps a second stream of this machine out. A stack on another machine, or a commit whose answer was lost and
that a catalog carried out late, is not kept out by it, and would put rows into a table twice.
"""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.position import OFFSETS, OFFSETS_BEFORE, Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.snapshots import lineage, stamp

LinkStamp = tuple[str, str | None]
"""The position that a commit left, and the one it was planned from; None: it begins the table anew, or is of earlier
code."""


class ForeignRowsError(ExplainedError):
    """A table holds rows that this stream did not give it: to go on would be to build on them."""


class OtherWriterError(ForeignRowsError):
    """Somebody else's commit lies between two of the stream's, or one of them was taken back under it."""

    def __init__(self, table: Table, believed: Position, found: Position) -> None:
        stood = f"{table.name} stood at {found.to_json()} where a commit was planned from {believed.to_json()}: "
        if believed.covers(found.offsets):
            super().__init__(
                f"{stood}it was rolled back while the stream ran, and lacks what lies between. Roll it back to the "
                "snapshot before that commit, with the stream ended; the topic has the rest"
            )
            return
        super().__init__(
            f"{stood}another one came between, of a second stream, of another stack on the same store, or one whose "
            "answer was lost; what both brought is there twice. End what else writes to this lake, roll bronze and "
            "quarantine back where they hold it twice (`firehose verify` says so), then `firehose rebuild silver`"
        )


def link_stamps(table: IcebergTable) -> Sequence[LinkStamp]:
    """Of each commit of the stream, newest first, as far as snapshots are kept."""
    return [
        (offsets, stamp(each, OFFSETS_BEFORE))
        for each in lineage(table)
        if (offsets := stamp(each, OFFSETS)) is not None
    ]


def broken_link(stamps: Iterable[LinkStamp]) -> tuple[Position, Position] | None:
    """Where a commit, the newest such one, was planned from another position than the commit before it left: both.

    What lies before a commit without the position it was planned from is not judged.
    """
    for (_, believed), (found, _) in pairwise(stamps):
        if believed is None:
            return None
        if Position.from_json(believed) != Position.from_json(found):
            return Position.from_json(believed), Position.from_json(found)
    return None


def require_linked(table: Table, stamps: Iterable[LinkStamp]) -> None:
    """Each commit was planned from where the one before it left the table. Raises ``OtherWriterError``."""
    broken = broken_link(stamps)
    if broken is not None:
        raise OtherWriterError(table, *broken)
