"""Hours that have left bronze because silver holds their rows: a property of the table, in step with its content.

What is left of a retired hour in bronze are the records that silver does not hold as they came: rejected ones and
duplicates. Bronze of that hour is therefore silver's rows of the hour and the rest, and nothing is lost by it.
"""

import json
from collections.abc import Iterable

RETIRED_HOURS = "firehose.retired-hours"
"""On bronze: JSON `[[first, last], ...]`, hours since the epoch of `event_ts`, both included, in order, apart."""

Ranges = tuple[tuple[int, int], ...]


def to_text(hours: Iterable[int]) -> str:
    """Hours as the property says them."""
    return json.dumps([list(each) for each in to_ranges(hours)], separators=(",", ":"))


def from_text(text: str | None) -> Ranges:
    """The inverse; nothing for a table without the property. Raises ValueError for text that is no such list."""
    if not text:
        return ()
    found = json.loads(text)
    if not isinstance(found, list) or not all(
        isinstance(each, list) and len(each) == 2 and all(isinstance(hour, int) for hour in each) for each in found
    ):
        raise ValueError(f"the property {RETIRED_HOURS} is no list of hours: {text}")
    return tuple((first, last) for first, last in found)


def to_ranges(hours: Iterable[int]) -> Ranges:
    """Hours -> the fewest ranges that hold just them."""
    ranges: list[list[int]] = []
    for hour in sorted(set(hours)):
        if ranges and ranges[-1][1] + 1 == hour:
            ranges[-1][1] = hour
        else:
            ranges.append([hour, hour])
    return tuple((first, last) for first, last in ranges)


def hours_of(ranges: Ranges) -> frozenset[int]:
    """Ranges -> hours."""
    return frozenset(hour for first, last in ranges for hour in range(first, last + 1))
