"""What is to go wrong between the market and the clients, trade by trade."""

import heapq
from collections.abc import Collection, Iterator

from firehose_dagster.simulator.deterministic import unit
from firehose_dagster.simulator.fault_kinds import Delay, Duplicate, Mute, Reorder, Skip
from firehose_dagster.simulator.source import Event

_US_PER_SECOND = 1_000_000


class StreamFaults:
    """Asked by the publisher for every event while `any`. Counts are per symbol and add up."""

    def __init__(self) -> None:
        self._muted_until_us: dict[str, int] = {}
        self._delayed_until_us: dict[str, int] = {}
        self._to_skip: dict[str, int] = {}
        self._to_double: dict[str, int] = {}
        self._to_reorder: dict[str, int] = {}
        self._reorder_within_us: dict[str, int] = {}
        self._held: list[tuple[int, int, str, Event]] = []
        self._held_number = 0

    def set(self, fault: Mute | Skip | Duplicate | Reorder | Delay, symbols: tuple[str, ...], now_us: int) -> None:
        """Have the fault happen to these symbols from now on; 0 seconds end a mute or a delay."""
        for symbol in symbols:
            match fault:
                case Mute():
                    self._muted_until_us[symbol] = now_us + round(fault.seconds * _US_PER_SECOND)
                case Delay():
                    self._delayed_until_us[symbol] = now_us + round(fault.seconds * _US_PER_SECOND)
                case Skip():
                    self._to_skip[symbol] = self._to_skip.get(symbol, 0) + fault.count
                case Duplicate():
                    self._to_double[symbol] = self._to_double.get(symbol, 0) + fault.count
                case Reorder():
                    self._to_reorder[symbol] = self._to_reorder.get(symbol, 0) + fault.count
                    self._reorder_within_us[symbol] = fault.within_ms * 1_000

    def calm(self, symbols: Collection[str]) -> None:
        """Let nothing more happen to these symbols. What is held back comes when it was to come."""
        for by_symbol in (
            self._muted_until_us,
            self._delayed_until_us,
            self._to_skip,
            self._to_double,
            self._to_reorder,
        ):
            for symbol in symbols:
                by_symbol.pop(symbol, None)

    def any(self, now_us: int) -> bool:
        """Whether `pass_on` need be asked at all."""
        for ends in (self._muted_until_us, self._delayed_until_us):
            for symbol in [symbol for symbol, until_us in ends.items() if until_us <= now_us]:
                del ends[symbol]
        return bool(
            self._muted_until_us or self._delayed_until_us or self._to_skip or self._to_double or self._to_reorder
        )

    def pass_on(self, stream: str, symbol: str, event: Event, now_us: int) -> tuple[Event, ...]:
        """What is sent now in the event's place: it, nothing, or it twice."""
        if now_us < self._muted_until_us.get(symbol, 0):
            return ()
        if event.trade is not None and _take_one(self._to_skip, symbol):
            return ()
        until_us = self._delayed_until_us.get(symbol, 0)
        if now_us < until_us:
            self._hold(until_us, stream, event)
            return ()
        if event.trade is not None and _take_one(self._to_reorder, symbol):
            within_us = self._reorder_within_us[symbol]
            self._hold(now_us + int(within_us * unit(event.trade.agg_id, symbol, "reorder")), stream, event)
            return ()
        if event.trade is not None and _take_one(self._to_double, symbol):
            return event, event
        return (event,)

    def released(self, now_us: int) -> Iterator[tuple[str, Event]]:
        """Stream and event of what was held back until now."""
        while self._held and self._held[0][0] <= now_us:
            _, _, stream, event = heapq.heappop(self._held)
            yield stream, event

    @property
    def next_release_us(self) -> int | None:
        """When the next event that is held back is to be sent; None: none is."""
        return self._held[0][0] if self._held else None

    def status(self, now_us: int) -> dict[str, object]:
        """For the admin endpoint: what is still to come, by symbol."""
        return {
            "muted_seconds": _left(self._muted_until_us, now_us),
            "delayed_seconds": _left(self._delayed_until_us, now_us),
            "trades_to_skip": dict(self._to_skip),
            "trades_to_duplicate": dict(self._to_double),
            "trades_to_reorder": dict(self._to_reorder),
            "trades_held_back": len(self._held),
        }

    def _hold(self, until_us: int, stream: str, event: Event) -> None:
        self._held_number += 1
        heapq.heappush(self._held, (until_us, self._held_number, stream, event))


def _take_one(counts: dict[str, int], symbol: str) -> bool:
    left = counts.get(symbol, 0)
    if left == 0:
        return False
    if left == 1:
        del counts[symbol]
    else:
        counts[symbol] = left - 1
    return True


def _left(until_us: dict[str, int], now_us: int) -> dict[str, float]:
    return {symbol: (end_us - now_us) / _US_PER_SECOND for symbol, end_us in until_us.items() if end_us > now_us}
