"""The ids that the exchange does not have, as gold sees them: a minute that lacks only such ids is complete.

A hole is believed until silver holds an id of it: then the exchange had it after all.
"""

import logging
import time
from collections.abc import Callable, Sequence

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.lake.exchange_holes import AbsentIds, ExchangeHole, read_holes
from firehose_dagster.streams.batch_summary import BatchSummary

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 30.0
"""The table is asked for news at most so often: a micro-batch takes about a second."""

HeldBetween = Callable[[str, IdRange, int], Sequence[int]]
"""The ids of a symbol in a range that silver holds; the minute is one in which they may lie besides those of gold."""


class GoldHoles:
    """Keeps the holes known; asks silver about one when a minute first depends on it."""

    def __init__(
        self,
        catalog: Catalog,
        held_between: HeldBetween,
        snapshot_id: int | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`snapshot_id` of `ops_exchange_holes` is what gold was computed from until now."""
        self._catalog = catalog
        self._held_between = held_between
        self._clock = clock
        self._asked_at: float | None = None
        self._absent = AbsentIds()
        self._unproven = AbsentIds()
        self._known: set[tuple[str, IdRange]] = set()
        self.snapshot_id: int | None = None
        """The snapshot of `ops_exchange_holes` that is known."""
        self._learn(self._rows(snapshot_id))
        self.snapshot_id = snapshot_id

    def refresh(self) -> list[ExchangeHole]:
        """Holes told since the last call; nothing where that was less than `REFRESH_SECONDS` ago."""
        now = self._clock()
        if self._asked_at is not None and now - self._asked_at < REFRESH_SECONDS:
            return []
        self._asked_at = now
        try:
            snapshot = self._catalog.load_table(OPS_EXCHANGE_HOLES.identifier).current_snapshot()
        except NoSuchTableError:
            return []
        if snapshot is None or snapshot.snapshot_id == self.snapshot_id:
            return []
        new = self._learn(self._rows(snapshot.snapshot_id))
        self.snapshot_id = snapshot.snapshot_id
        if new:
            logger.info("event=exchange_holes_learnt holes=%d ids=%d", len(new), sum(len(hole.ids) for hole in new))
        return new

    def note(self, batch: BatchSummary) -> None:
        """Silver holds the ids of this batch: none of them is a hole."""
        symbols = self._absent.symbols
        for minute in batch.minutes:
            if minute.symbol in symbols:
                for agg_id in minute.agg_ids:
                    if (minute.symbol, agg_id) in self._absent:
                        self._absent.discard(minute.symbol, IdRange(agg_id, agg_id))

    def count(self, symbol: str, first: int, last: int, minute: int) -> int:
        """How many ids from `first` to `last`, both included, the exchange does not have; asked for `minute`."""
        if self._absent.count(symbol, first, last) == 0:
            return 0
        if self._unproven.count(symbol, first, last):
            ids = IdRange(first, last)
            for agg_id in self._held_between(symbol, ids, minute):
                self._absent.discard(symbol, IdRange(agg_id, agg_id))
            self._unproven.discard(symbol, ids)
        return self._absent.count(symbol, first, last)

    def _rows(self, snapshot_id: int | None) -> list[ExchangeHole]:
        if snapshot_id is None:
            return []
        table = self._catalog.load_table(OPS_EXCHANGE_HOLES.identifier)
        try:
            return read_holes(table, snapshot_id)
        except ValueError:
            # Expired since. What is not known now comes with the next refresh, as new.
            return []

    def _learn(self, holes: list[ExchangeHole]) -> list[ExchangeHole]:
        new = [hole for hole in holes if (hole.symbol, hole.ids) not in self._known]
        for hole in new:
            self._known.add((hole.symbol, hole.ids))
            self._absent.add(hole.symbol, hole.ids)
            self._unproven.add(hole.symbol, hole.ids)
        return new
