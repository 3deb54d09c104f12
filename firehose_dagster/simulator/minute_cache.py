"""Holds synthetic minutes that are likely asked for again, and makes the next ones ahead of time."""

from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock

from firehose_dagster.simulator.synthetic_minute import SyntheticMinute

_Key = tuple[str, int]


class MinuteCache:
    """Minutes by symbol and number; the least recently used go beyond `capacity_trades`. Thread-safe."""

    def __init__(self, make: Callable[[str, int], SyntheticMinute], capacity_trades: int = 2_000_000) -> None:
        self._make = make
        self._capacity_trades = capacity_trades
        self._held_trades = 0
        self._minutes: OrderedDict[_Key, SyntheticMinute] = OrderedDict()
        self._coming: dict[_Key, Future[SyntheticMinute]] = {}
        self._lock = Lock()
        self._maker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="synthetic-minutes")

    def get(self, symbol: str, minute: int) -> SyntheticMinute:
        """The minute, made now if need be."""
        key = (symbol, minute)
        with self._lock:
            held = self._minutes.get(key)
            if held is not None:
                self._minutes.move_to_end(key)
                return held
            coming = self._coming.get(key)
        # One that is still queued is made here instead: waiting would queue behind all other symbols.
        if coming is not None and not coming.cancel():
            return coming.result()
        return self._keep(key)

    def make_ahead(self, symbol: str, minute: int) -> None:
        """Have the minute made in the background, once."""
        key = (symbol, minute)
        with self._lock:
            if key not in self._minutes and key not in self._coming:
                self._coming[key] = self._maker.submit(self._keep, key)

    def close(self) -> None:
        """Stop the background thread; what it was to make is dropped."""
        self._maker.shutdown(wait=True, cancel_futures=True)

    def _keep(self, key: _Key) -> SyntheticMinute:
        made = self._make(*key)
        with self._lock:
            self._coming.pop(key, None)
            if key not in self._minutes:
                self._held_trades += len(made)
            self._minutes[key] = made
            # Empty minutes weigh too, else a market of quiet symbols would be held for ever.
            while len(self._minutes) > 1 and self._held_trades + 50 * len(self._minutes) > self._capacity_trades:
                _, dropped = self._minutes.popitem(last=False)
                self._held_trades -= len(dropped)
        return made
