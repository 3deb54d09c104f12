"""A source with true holes: ids that the exchange never gave to a trade, though it counted past them."""

from bisect import bisect_right
from collections.abc import Callable, Sequence
from threading import Lock

from firehose_dagster.simulator.source import Event, Source, Tape
from firehose_dagster.simulator.trade import Trade, symbol_of


class HoledSource:
    """The inner source without the trades in the holes. A hole takes only ids that nobody was told of yet."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self._lock = Lock()
        self._told: dict[str, int] = {}
        """The highest id that left the source by any way."""
        self._holes: dict[str, list[tuple[int, int]]] = {}
        """First and last id of each, ascending."""

    def make_hole(self, symbol: str, count: int, now_us: int) -> tuple[int, int] | None:
        """Take the symbol's next `count` ids out of the world; the first and the last. None before its first trade."""
        due = self._inner.due_ids(symbol, now_us)
        with self._lock:
            told = max(self._told.get(symbol, 0), due[1] if due else 0)
            if told == 0:
                return None
            hole = (told + 1, told + count)
            self._told[symbol] = told + count
            self._holes.setdefault(symbol, []).append(hole)
        return hole

    def holes(self, symbol: str) -> tuple[tuple[int, int], ...]:
        """First and last id of each hole, ascending."""
        with self._lock:
            return tuple(self._holes.get(symbol, ()))

    @property
    def paced(self) -> bool:
        """As the inner source."""
        return self._inner.paced

    @property
    def description(self) -> str:
        """As the inner source."""
        return self._inner.description

    @property
    def symbols(self) -> tuple[str, ...]:
        """As the inner source."""
        return self._inner.symbols

    def open(self, stream: str, now_us: int) -> Tape | None:
        """The tape of a stream at its first subscription; None for a stream without frames."""
        tape = self._inner.open(stream, now_us)
        return None if tape is None else HoledTape(tape, lambda events: self._events(stream, events))

    def due_ids(self, symbol: str, now_us: int) -> tuple[int, int] | None:
        """Lowest and highest id that was due by WebSocket and exists; None where there is none."""
        due = self._inner.due_ids(symbol, now_us)
        if due is None:
            return None
        first_id, last_id = due
        with self._lock:
            self._told[symbol] = max(self._told.get(symbol, 0), last_id)
            for hole_first, hole_last in reversed(self._holes.get(symbol, [])):
                if hole_first <= last_id <= hole_last:
                    last_id = hole_first - 1
        return (first_id, last_id) if first_id <= last_id else None

    def trades_from(self, symbol: str, from_id: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with ids from `from_id` on, by id, at most `limit`."""
        found: list[Trade] = []
        while len(found) < limit:
            page = self._inner.trades_from(symbol, from_id, limit, now_us)
            found += self._existing(symbol, page)
            if len(page) < limit:
                break
            from_id = page[-1].agg_id + 1
        return found[:limit]

    def trades_between(self, symbol: str, start_us: int, end_us: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with `start_us <= time < end_us`, by id, the first `limit`."""
        whole = self._inner.trades_between(symbol, start_us, end_us, limit + self._absent(symbol), now_us)
        return self._existing(symbol, whole)[:limit]

    def latest_trades(self, symbol: str, before_us: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with `time < before_us`, by id, the last `limit`."""
        whole = self._inner.latest_trades(symbol, before_us, limit + self._absent(symbol), now_us)
        return self._existing(symbol, whole)[-limit:]

    def close(self) -> None:
        """Release what the inner source holds."""
        self._inner.close()

    def _absent(self, symbol: str) -> int:
        return sum(last - first + 1 for first, last in self.holes(symbol))

    def _existing(self, symbol: str, trades: list[Trade]) -> list[Trade]:
        with self._lock:
            if trades:
                self._told[symbol] = max(self._told.get(symbol, 0), trades[-1].agg_id)
            holes = self._holes.get(symbol)
            return [trade for trade in trades if not _within(holes, trade.agg_id)] if holes else trades

    def _events(self, stream: str, events: Sequence[Event]) -> Sequence[Event]:
        symbol = symbol_of(stream)
        with self._lock:
            highest = max((event.trade.agg_id for event in events if event.trade is not None), default=0)
            self._told[symbol] = max(self._told.get(symbol, 0), highest)
            holes = self._holes.get(symbol)
            if not holes:
                return events
            return [event for event in events if event.trade is None or not _within(holes, event.trade.agg_id)]


class HoledTape:
    """The inner tape without what `existing` leaves out."""

    def __init__(self, inner: Tape, existing: Callable[[Sequence[Event]], Sequence[Event]]) -> None:
        self._inner = inner
        self._existing = existing

    def next_due_us(self) -> int | None:
        """When the next event is due, be it in a hole; None at the end."""
        return self._inner.next_due_us()

    def take(self, until_us: int) -> Sequence[Event]:
        """The events due up to and including `until_us` that exist, in order, each once."""
        return self._existing(self._inner.take(until_us))

    def skip(self, until_us: int) -> None:
        """Pass over what is due up to and including `until_us`."""
        self._inner.skip(until_us)


def _within(holes: list[tuple[int, int]] | None, agg_id: int) -> bool:
    if not holes:
        return False
    place = bisect_right(holes, (agg_id, 1 << 62))
    return place > 0 and holes[place - 1][1] >= agg_id
