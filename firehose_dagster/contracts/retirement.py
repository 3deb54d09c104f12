"""Hours that have left bronze because silver holds their rows: a property of the table, in step with its content.

What is left of a retired hour in bronze are the records that silver does not hold as they came: rejected ones and
duplicates. Bronze of that hour is therefore silver's rows of the hour and the rest, and nothing is lost by it.
"""

import json
from collections.abc import Iterable, Mapping

RETIRED_HOURS = "firehose.retired-hours"
"""On bronze: JSON `[[first, last], ...]`, hours since the epoch of `event_ts`, both included, in order, apart."""
KEPT_ROWS = "firehose.retired-hours-kept"
"""On bronze: JSON `{"hour": rows}`, the rows that bronze kept of a retired hour. One that is not named kept none."""

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


def kept_to_text(rows_by_hour: Mapping[int, int]) -> str:
    """Kept rows as the property says them."""
    told = {str(hour): rows for hour, rows in sorted(rows_by_hour.items()) if rows}
    return json.dumps(told, separators=(",", ":"))


def kept_from_text(text: str | None) -> dict[int, int]:
    """The inverse; nothing for a table without the property. Raises ValueError for text that is no such object."""
    found = json.loads(text) if text else {}
    if not isinstance(found, dict):
        raise ValueError(f"the property {KEPT_ROWS} does not tell rows by hour: {text}")
    return {int(hour): int(rows) for hour, rows in found.items()}
