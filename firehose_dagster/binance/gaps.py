"""Which ids are held, exactly: disjoint ranges, so that memory grows with the number of gaps and not of ids."""

from bisect import bisect_left, bisect_right
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class IdRange:
    """The ids from `first` to `last`, both included; `first <= last`."""

    first: int
    last: int

    def __len__(self) -> int:
        return self.last - self.first + 1

    def overlaps(self, other: "IdRange") -> bool:
        """Whether an id is in both."""
        return self.first <= other.last and other.first <= self.last


class HeldIds:
    """A set of whole numbers, kept as sorted disjoint ranges that never touch each other. Not safe for threads."""

    __slots__ = ("_firsts", "_lasts")

    def __init__(self) -> None:
        self._firsts: list[int] = []
        self._lasts: list[int] = []

    def add(self, agg_id: int) -> None:
        """Hold one id. Constant time for the id after the highest."""
        lasts = self._lasts
        if lasts and agg_id == lasts[-1] + 1:
            lasts[-1] = agg_id
        else:
            self.add_range(agg_id, agg_id)

    def add_range(self, first: int, last: int) -> None:
        """Hold all ids from `first` to `last`, both included. Raises ValueError if `first > last`."""
        if first > last:
            raise ValueError(f"a range of ids must not end before it begins: {first} to {last}")
        # The ranges that overlap or touch the new one become one with it.
        start = bisect_left(self._lasts, first - 1)
        stop = bisect_right(self._firsts, last + 1)
        if start < stop:
            first = min(first, self._firsts[start])
            last = max(last, self._lasts[stop - 1])
        self._firsts[start:stop] = [first]
        self._lasts[start:stop] = [last]

    def remove_range(self, first: int, last: int) -> None:
        """Hold none of the ids from `first` to `last` any more. Raises ValueError if `first > last`."""
        if first > last:
            raise ValueError(f"a range of ids must not end before it begins: {first} to {last}")
        start = bisect_left(self._lasts, first)
        stop = bisect_right(self._firsts, last)
        if start >= stop:
            return
        kept: list[tuple[int, int]] = []
        if self._firsts[start] < first:
            kept.append((self._firsts[start], first - 1))
        if self._lasts[stop - 1] > last:
            kept.append((last + 1, self._lasts[stop - 1]))
        self._firsts[start:stop] = [low for low, _ in kept]
        self._lasts[start:stop] = [high for _, high in kept]

    def __contains__(self, agg_id: int) -> bool:
        index = bisect_left(self._lasts, agg_id)
        return index < len(self._lasts) and self._firsts[index] <= agg_id

    def holds_any(self, first: int, last: int) -> bool:
        """Whether one of the ids from `first` to `last`, both included, is held."""
        index = bisect_left(self._lasts, first)
        return index < len(self._lasts) and self._firsts[index] <= last

    def __len__(self) -> int:
        """How many ids are held."""
        return sum(self._lasts) - sum(self._firsts) + len(self._firsts)

    @property
    def highest(self) -> int | None:
        """The highest id held; None where none is."""
        return self._lasts[-1] if self._lasts else None

    @property
    def lowest(self) -> int | None:
        """The lowest id held; None where none is."""
        return self._firsts[0] if self._firsts else None

    def ranges(self) -> list[IdRange]:
        """What is held, ascending."""
        return [IdRange(first, last) for first, last in zip(self._firsts, self._lasts, strict=True)]

    def missing(self, first: int, last: int) -> list[IdRange]:
        """The ids from `first` to `last`, both included, that are not held, ascending; empty if `first > last`."""
        found: list[IdRange] = []
        position = first
        for index in range(bisect_left(self._lasts, first), len(self._firsts)):
            if self._firsts[index] > last or position > last:
                break
            if self._firsts[index] > position:
                found.append(IdRange(position, self._firsts[index] - 1))
            position = self._lasts[index] + 1
        if position <= last:
            found.append(IdRange(position, last))
        return found
