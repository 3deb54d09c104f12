"""What was computed from one data file, kept: files never change, so a new snapshot costs only its new files."""

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

Computed = TypeVar("Computed")


class PerFileCache(Generic[Computed]):
    """Keeps the results of the `size` files used last. Safe to use from several threads; two may compute the same."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held: OrderedDict[str, Computed] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, location: str, compute: Callable[[], Computed]) -> Computed:
        """The result for the file; computed where it is not held. Raises what `compute` raises."""
        with self._lock:
            if location in self._held:
                self._held.move_to_end(location)
                return self._held[location]
        computed = compute()
        with self._lock:
            self._held[location] = computed
            while len(self._held) > self._size:
                self._held.popitem(last=False)
        return computed
