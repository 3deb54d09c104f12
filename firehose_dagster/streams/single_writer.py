"""Each commit of the stream says where it believed the table to stand: another one that came between is seen.

The lease keeps a second stream of this machine out. A stack on another machine, or a commit whose answer was lost and
that a catalog carried out late, is not kept out by it, and would put rows into a table twice.
"""

from collections.abc import Iterable
from itertools import pairwise

from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.errors import ExplainedError


class ForeignRowsError(ExplainedError):
    """A table holds rows that this stream did not give it: to go on would be to build on them."""


class OtherWriterError(ForeignRowsError):
    """Somebody else's commit lies between two of the stream's."""

    def __init__(self, table: Table, believed: Position, found: Position) -> None:
        super().__init__(
            f"{table.name} stood at {found.to_json()} where a commit was planned from {believed.to_json()}: another "
            "one came between, of a second stream, of another stack on the same store, or one whose answer was lost; "
            "what both brought is there twice. End what else writes to this lake, roll bronze and quarantine back "
            "where they hold it twice (`firehose verify` says so), then `firehose rebuild silver`"
        )


def require_linked(table: Table, stamps: Iterable[tuple[str, str | None]]) -> None:
    """Each commit was planned from where the one before it left the table.

    `stamps`, newest first: the position that a commit left, and the one it was planned from. A commit without the
    latter begins the table anew, or is of earlier code: it and what lies before it is not judged.
    Raises ``OtherWriterError``.
    """
    for (_, believed), (found, _) in pairwise(stamps):
        if believed is None:
            return
        if Position.from_json(believed) != Position.from_json(found):
            raise OtherWriterError(table, Position.from_json(believed), Position.from_json(found))
