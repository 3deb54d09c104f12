"""What was computed from one data file, kept: files never change, so a new snapshot costs only its new files."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Computed = TypeVar("Computed")


class PerFileCache(Generic[Computed]):
    """Keeps what was used last, as much as weighs `capacity` together; by default each result weighs 1.

    Safe to use from several threads; two may compute the same.
    """

    def __init__(self, capacity: int, weight: Callable[[Computed], int] = lambda _: 1) -> None:
        self._capacity = capacity
        self._weight = weight
        self._held: OrderedDict[str, Computed] = OrderedDict()
        self._held_weight = 0
        self._lock = threading.Lock()

    def get(self, location: str, compute: Callable[[], Computed]) -> Computed:
        """The result for the file; computed where it is not held. Raises what `compute` raises."""
        held = self.peek(location)
        if held is not None:
            return held
        computed = compute()
        with self._lock:
            if location not in self._held:
                self._held[location] = computed
                self._held_weight += self._weight(computed)
            while self._held_weight > self._capacity and len(self._held) > 1:
                _, dropped = self._held.popitem(last=False)
                self._held_weight -= self._weight(dropped)
        return computed

    def peek(self, location: str) -> Computed | None:
        """The result for the file where it is held."""
        with self._lock:
            if location not in self._held:
                return None
            self._held.move_to_end(location)
            return self._held[location]
