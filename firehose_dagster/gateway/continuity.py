"""Which ids of each symbol were given to the topic, and which were skipped: one account for all connections.

What it says is of this process alone. At the next start the topic and the lake are read again, and they decide.
"""

import threading
from collections.abc import Iterable, Mapping

from firehose_dagster.binance.gaps import HeldIds, IdRange
from firehose_dagster.gateway.tail import SymbolTail

NO_GAP: tuple[IdRange, ...] = ()


class _Ledger:
    """One symbol: the ids held, and where the live stream stands."""

    __slots__ = ("held", "position")

    def __init__(self, held: HeldIds) -> None:
        self.held = held
        self.position = held.highest


class Continuity:
    """The ids held, per symbol, as ranges: memory grows with the number of gaps. Safe for threads.

    A symbol of which neither the topic's tail nor the lake knows an id begins at its first live one: no history is
    wanted. `lake_last_ids` names the highest id of symbols whose last trade is older than the tail.
    """

    def __init__(self, tails: Mapping[str, SymbolTail], lake_last_ids: Mapping[str, int] | None = None) -> None:
        self._ledgers: dict[str, _Ledger] = {}
        for symbol, last_id in (lake_last_ids or {}).items():
            held = HeldIds()
            held.add(last_id)
            self._ledgers[symbol] = _Ledger(held)
        for symbol, tail in tails.items():
            self._ledgers[symbol] = _Ledger(tail.held)
        self._lost: dict[str, HeldIds] = {}
        self._lock = threading.Lock()

    def cursor(self, *, is_overlapping: bool = False) -> "Cursor":
        """The place of one more connection; overlapping if another one still delivers the same symbols."""
        return Cursor(self._ledgers, self._lock, is_overlapping)

    def hold(self, symbol: str, agg_ids: Iterable[int]) -> None:
        """Note ids that were healed and that Kafka confirmed."""
        with self._lock:
            held = self._ledger(symbol).held
            for agg_id in agg_ids:
                held.add(agg_id)

    def hold_range(self, symbol: str, ids: IdRange) -> None:
        """Note ids that need not be looked for any more. They do not move where the live stream stands."""
        with self._lock:
            self._ledger(symbol).held.add_range(ids.first, ids.last)

    def lose(self, symbol: str, agg_id: int) -> None:
        """Take back an id that was counted as held: Kafka did not get it."""
        with self._lock:
            if (ledger := self._ledgers.get(symbol)) is not None:
                ledger.held.remove_range(agg_id, agg_id)
            self._lost.setdefault(symbol, HeldIds()).add(agg_id)

    def take_lost(self) -> list[tuple[str, IdRange]]:
        """What was taken back since the last call, as ranges."""
        if not self._lost:
            return []
        with self._lock:
            lost, self._lost = self._lost, {}
        return [(symbol, ids) for symbol, held in lost.items() for ids in held.ranges()]

    def missing(self, symbol: str, first: int, last: int) -> list[IdRange]:
        """The ids from `first` to `last`, both included, that are not held."""
        with self._lock:
            ledger = self._ledgers.get(symbol)
            return [IdRange(first, last)] if ledger is None else ledger.held.missing(first, last)

    def position(self, symbol: str) -> int | None:
        """The id at which the live stream stands; None where none is known."""
        ledger = self._ledgers.get(symbol)
        return None if ledger is None else ledger.position

    def _ledger(self, symbol: str) -> _Ledger:
        ledger = self._ledgers.get(symbol)
        if ledger is None:
            ledger = self._ledgers[symbol] = _Ledger(HeldIds())
        return ledger


class _Place:
    """One symbol on one connection."""

    __slots__ = ("base", "first", "ledger", "position", "previous")

    def __init__(self, ledger: _Ledger, first: int) -> None:
        self.ledger = ledger
        self.base = ledger.position
        """Where the stream stood when this connection began to deliver the symbol."""
        self.first = first
        self.position = self.base
        self.previous: int | None = None


class Cursor:
    """Where one connection stands in each of its symbols. `observe` is for the connection's own thread."""

    def __init__(self, ledgers: dict[str, _Ledger], lock: threading.Lock, is_overlapping: bool) -> None:
        self._ledgers = ledgers
        self._lock = lock
        self._is_overlapping = is_overlapping
        self._places: dict[str, _Place] = {}

    def observe(self, symbol: str, agg_id: int) -> tuple[IdRange, ...]:
        """Note a live id; return the ids that were skipped before it and are not held.

        The first id of a symbol is judged by where the stream stood; on an overlapping connection `take_over` does so.
        """
        with self._lock:
            place = self._places.get(symbol)
            if place is None:
                return self._observe_first(symbol, agg_id)
            position = place.position
            if position is not None and agg_id == position + 1:
                place.position = place.previous = place.ledger.position = agg_id
                place.ledger.held.add(agg_id)
                return NO_GAP
            return self._observe_jump(place, agg_id)

    def _observe_first(self, symbol: str, agg_id: int) -> tuple[IdRange, ...]:
        ledger = self._ledgers.get(symbol)
        if ledger is None:
            ledger = self._ledgers[symbol] = _Ledger(HeldIds())
        place = self._places[symbol] = _Place(ledger, agg_id)
        if self._is_overlapping:
            place.position = place.previous = agg_id
            ledger.held.add(agg_id)
            return NO_GAP
        return self._observe_jump(place, agg_id)

    def _observe_jump(self, place: _Place, agg_id: int) -> tuple[IdRange, ...]:
        gap = NO_GAP
        position, held = place.position, place.ledger.held
        if position is None:
            place.position = agg_id
        elif agg_id > position:
            gap = tuple(held.missing(position + 1, agg_id - 1))
            place.position = agg_id
        elif agg_id not in held and place.previous == agg_id - 1:
            # Two new ids in a row below the position: the stream goes on here, and the position was a wrong id or
            # another run of ids. A lone old frame does not move it, or all history after it would be missing.
            place.position = agg_id
        held.add(agg_id)
        place.previous = agg_id
        place.ledger.position = place.position
        return gap

    def take_over(self) -> list[tuple[str, IdRange]]:
        """The connection overlapped by this one has ended: what neither of them delivered."""
        gaps: list[tuple[str, IdRange]] = []
        with self._lock:
            self._is_overlapping = False
            for symbol, place in self._places.items():
                place.ledger.position = place.position
                if place.base is not None:
                    missing = place.ledger.held.missing(place.base + 1, place.first - 1)
                    gaps += [(symbol, ids) for ids in missing]
        return gaps

    def overlaps(self, predecessor: "Cursor") -> bool:
        """Each symbol that came here came there too, up to the id before the first one here at least."""
        with self._lock:
            for symbol, place in self._places.items():
                before = predecessor._places.get(symbol)
                if before is None or before.position is None or before.position < place.first - 1:
                    return False
        return True

    def positions(self) -> dict[str, int]:
        """The id at which each symbol stands that this connection delivered."""
        with self._lock:
            return {symbol: place.position for symbol, place in self._places.items() if place.position is not None}
