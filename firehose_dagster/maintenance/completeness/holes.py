"""Which holes of the exchange were told since an earlier look, and which hours they may change."""

from collections.abc import Sequence
from dataclasses import dataclass

from pyiceberg.table import Table as IcebergTable

from firehose_dagster.lake.exchange_holes import ExchangeHole, read_holes
from firehose_dagster.maintenance.completeness.hour import HourRow


@dataclass(frozen=True, slots=True)
class HolesTold:
    """The difference of two states of `ops_exchange_holes`, by content: compaction changes nothing."""

    new: Sequence[ExchangeHole]
    some_are_gone: bool
    """A hole that was known is told no more: which hours it was counted in is not known."""

    def may_fill(self, row: HourRow) -> bool:
        """Whether an id that the row calls missing may be of a new hole."""
        if not row.missing_ranges or row.last_agg_id is None:
            return False
        first, last = row.missing_ranges[0].first, row.last_agg_id
        return any(
            hole.symbol == row.symbol and hole.first_agg_id <= last and first <= hole.last_agg_id for hole in self.new
        )


def holes_told(table: IcebergTable, since_snapshot_id: int | None, known: Sequence[ExchangeHole]) -> HolesTold:
    """What of `known` an earlier snapshot of the table did not tell (None: it told nothing).

    Where that snapshot has expired, all are new.
    """
    before: Sequence[ExchangeHole] = ()
    if since_snapshot_id is not None and table.snapshot_by_id(since_snapshot_id) is not None:
        before = read_holes(table, since_snapshot_id)
    ids_before, ids_now = ({(hole.symbol, hole.ids) for hole in holes} for holes in (before, known))
    return HolesTold(
        new=[hole for hole in known if (hole.symbol, hole.ids) not in ids_before],
        some_are_gone=not ids_before <= ids_now,
    )
