"""Which ids of each symbol the topic holds, and which were skipped: fed by the live stream and by the heal."""

import threading
from collections.abc import Mapping

from firehose_dagster.binance.gaps import HeldIds, IdRange
from firehose_dagster.gateway.tail import SymbolTail

NO_GAP: tuple[IdRange, ...] = ()


class _Ledger:
    """One symbol: the ids held, where the live stream stands, and the live id before this one."""

    __slots__ = ("held", "position", "previous")

    def __init__(self, held: HeldIds) -> None:
        self.held = held
        self.position = held.highest
        self.previous: int | None = None


class Continuity:
    """The ids held, per symbol. Safe for threads.

    A symbol that the tail of the topic did not hold begins at its first live id: no history is wanted.
    """

    def __init__(self, tails: Mapping[str, SymbolTail]) -> None:
        self._ledgers = {symbol: _Ledger(tail.held) for symbol, tail in tails.items()}
        self._lock = threading.Lock()

    def observe(self, symbol: str, agg_id: int) -> tuple[IdRange, ...]:
        """Note a live id; return the ids that were skipped before it and are not held."""
        with self._lock:
            ledger = self._ledgers.get(symbol)
            if ledger is None:
                ledger = self._ledgers[symbol] = _Ledger(HeldIds())
            position = ledger.position
            if position is not None and agg_id == position + 1:
                ledger.held.add(agg_id)
                ledger.position = ledger.previous = agg_id
                return NO_GAP
            return self._observe_jump(ledger, position, agg_id)

    @staticmethod
    def _observe_jump(ledger: _Ledger, position: int | None, agg_id: int) -> tuple[IdRange, ...]:
        gap = NO_GAP
        if position is None:
            ledger.position = agg_id
        elif agg_id > position:
            gap = tuple(ledger.held.missing(position + 1, agg_id - 1))
            ledger.position = agg_id
        elif agg_id not in ledger.held and ledger.previous == agg_id - 1:
            # Two new ids in a row below the position: the stream goes on here, and the position was a wrong id or
            # another run of ids. A lone old frame does not move it, or all history after it would be missing.
            ledger.position = agg_id
        ledger.held.add(agg_id)
        ledger.previous = agg_id
        return gap

    def hold(self, symbol: str, agg_id: int) -> bool:
        """Note an id that was healed; False if it was held already."""
        with self._lock:
            held = self._ledgers[symbol].held
            if agg_id in held:
                return False
            held.add(agg_id)
            return True

    def hold_range(self, symbol: str, ids: IdRange) -> None:
        """Note ids that need not be looked for any more."""
        with self._lock:
            self._ledgers[symbol].held.add_range(ids.first, ids.last)

    def missing(self, symbol: str, first: int, last: int) -> list[IdRange]:
        """The ids from `first` to `last`, both included, that are not held."""
        with self._lock:
            return self._ledgers[symbol].held.missing(first, last)
