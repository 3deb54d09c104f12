"""The ids that the exchange is known not to have: `ops_exchange_holes`, read whole (it is small) and appended to."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table as IcebergTable
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from firehose_dagster.binance.gaps import HeldIds, IdRange
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES


@dataclass(frozen=True, slots=True)
class ExchangeHole:
    """A row of `ops_exchange_holes`."""

    symbol: str
    first_agg_id: int
    last_agg_id: int
    next_agg_id: int
    confirmed_at: datetime

    @property
    def ids(self) -> IdRange:
        """What the exchange does not have."""
        return IdRange(self.first_agg_id, self.last_agg_id)


class AbsentIds:
    """The ids of each symbol that need not be looked for. Not safe for threads while it is changed."""

    def __init__(self, holes: Iterable[tuple[str, IdRange]] = ()) -> None:
        self._by_symbol: dict[str, HeldIds] = defaultdict(HeldIds)
        for symbol, ids in holes:
            self.add(symbol, ids)

    def add(self, symbol: str, ids: IdRange) -> None:
        """Know these ids to be absent."""
        self._by_symbol[symbol].add_range(ids.first, ids.last)

    def discard(self, symbol: str, ids: IdRange) -> None:
        """Know these ids to be there after all."""
        if symbol in self._by_symbol:
            self._by_symbol[symbol].remove_range(ids.first, ids.last)

    def __contains__(self, key: tuple[str, int]) -> bool:
        symbol, agg_id = key
        return symbol in self._by_symbol and agg_id in self._by_symbol[symbol]

    @property
    def symbols(self) -> frozenset[str]:
        """The symbols of which an id is absent."""
        return frozenset(symbol for symbol, ids in self._by_symbol.items() if len(ids) > 0)

    def count(self, symbol: str, first: int, last: int) -> int:
        """How many ids from `first` to `last`, both included, are absent; 0 where `first > last`."""
        if symbol not in self._by_symbol or first > last:
            return 0
        present = self._by_symbol[symbol].missing(first, last)
        return last - first + 1 - sum(len(ids) for ids in present)

    def present(self, symbol: str, ids: IdRange) -> list[IdRange]:
        """What of `ids` is not absent, ascending."""
        return self._by_symbol[symbol].missing(ids.first, ids.last) if symbol in self._by_symbol else [ids]


def read_holes(table: IcebergTable, snapshot_id: int | None = None) -> list[ExchangeHole]:
    """All holes told up to a snapshot (default: the current one). Raises ValueError where the snapshot is gone."""
    if table.current_snapshot() is None:
        return []
    names = tuple(ExchangeHole.__slots__)
    rows = table.scan(snapshot_id=snapshot_id, selected_fields=names).to_arrow().to_pylist()
    return [ExchangeHole(**row) for row in rows]


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(10),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)
def append_holes(catalog: Catalog, holes: Sequence[ExchangeHole]) -> None:
    """Append the rows in one commit; other writers may append meanwhile. Nothing to append: nothing is committed.

    Raises CommitFailedException where every attempt lost its race.
    """
    if not holes:
        return
    table = catalog.load_table(OPS_EXCHANGE_HOLES.identifier)
    table.append(pa.Table.from_pylist([asdict(hole) for hole in holes], schema=table.schema().as_arrow()))
