"""From the hours that changed to the rows that say so: what else must be looked at, and in which order. Pure."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import pairwise
from typing import Protocol

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.maintenance.completeness.hour import (
    Absent,
    HeldHour,
    HourRow,
    Unsealed,
    hour_row,
    quiet_hour,
    sealed,
)

BLOCK_HOURS = 24
"""Hours whose ids are read at once."""
QUIET_HOURS_TOLD = 48
"""Between two hours with trades further apart than this, nothing is said of the hours between."""

ReadHours = Callable[[int, int], Sequence[HeldHour]]
"""What silver holds from the first hour up to, without, the second: every symbol, by hour. The gap before a symbol's
lowest id in these hours is left out, and that hour marked as one whose start is not known."""


class EarlierRows(Protocol):
    """Where rows are found that a book does not hold."""

    def back_to_trades(self, symbol: str, before_hour: int) -> Sequence[HourRow]:
        """The symbol's newest rows before the given hour, back to its latest hour with trades; none without one."""


class HourBook:
    """The newest row of each hour, as far as they were loaded. Rows from some hour on are all there; what was before it
    is asked for where it is needed."""

    def __init__(self, rows: Iterable[HourRow], earlier: EarlierRows) -> None:
        self._rows: dict[str, dict[int, HourRow]] = defaultdict(dict)
        self._with_trades: dict[str, list[int]] = defaultdict(list)
        self._earlier = earlier
        self.put_all(rows)

    def put_all(self, rows: Iterable[HourRow]) -> None:
        """Hold these as the newest rows of their hours."""
        for row in rows:
            self.put(row)

    def put(self, row: HourRow) -> None:
        """Hold this as the newest row of its hour."""
        hours = self._with_trades[row.symbol]
        position = bisect_left(hours, row.hour)
        is_known = position < len(hours) and hours[position] == row.hour
        if row.present and not is_known:
            hours.insert(position, row.hour)
        elif is_known and not row.present:
            del hours[position]
        self._rows[row.symbol][row.hour] = row

    def get(self, symbol: str, hour: int) -> HourRow | None:
        """The newest row."""
        return self._rows[symbol].get(hour)

    def rows(self) -> list[HourRow]:
        """All that are held."""
        return [row for by_hour in self._rows.values() for row in by_hour.values()]

    def with_trades(self, start: int, end: int) -> list[HourRow]:
        """Of the hours with trades from `start` up to, without, `end`."""
        return [
            self._rows[symbol][hour]
            for symbol, hours in self._with_trades.items()
            for hour in hours[bisect_left(hours, start) : bisect_left(hours, end)]
        ]

    def begins_before(self, symbol: str, hour: int) -> bool:
        """Whether an earlier hour with trades is held here."""
        hours = self._with_trades[symbol]
        return bool(hours) and hours[0] < hour

    def previous(self, symbol: str, hour: int) -> HourRow | None:
        """Of the symbol's latest hour with trades before this one."""
        hours = self._with_trades[symbol]
        position = bisect_left(hours, hour)
        if position > 0:
            return self._rows[symbol][hours[position - 1]]
        for row in self._earlier.back_to_trades(symbol, hour):
            if self.get(symbol, row.hour) is None:
                self.put(row)
        return self._rows[symbol][hours[0]] if hours and hours[0] < hour else None

    def following(self, symbol: str, hour: int) -> HourRow | None:
        """Of the symbol's earliest hour with trades after this one."""
        hours = self._with_trades[symbol]
        position = bisect_right(hours, hour)
        return self._rows[symbol][hours[position]] if position < len(hours) else None


class Survey:
    """Brings a book up to date; `written` are the rows that say something new, the newest of each hour last."""

    def __init__(self, book: HourBook, read_hours: ReadHours, absent: Absent, over_before: int) -> None:
        """Hours below `over_before` are over."""
        self.book = book
        self._read_hours = read_hours
        self._absent = absent
        self._over_before = over_before
        self._pending: set[int] = set()
        self._written: dict[tuple[str, int], HourRow] = {}
        self._stored: dict[tuple[str, int], HourRow | None] = {}
        self._emptied: set[tuple[str, int]] = set()
        self.hours_read = 0

    def run(self, changed: AbstractSet[int]) -> list[HourRow]:
        """Look at the hours that changed, at those whose verdict depends on them, and at those that are over now.

        An hour whose trades are there no more is a quiet one.
        """
        # An id may lie in the hour before the one that its neighbours are in.
        self._pending = set(changed) | {hour - 1 for hour in changed}
        while self._pending:
            start = min(self._pending)
            end = start + 1
            while end in self._pending and end - start < BLOCK_HOURS:
                end += 1
            self._pending.difference_update(range(start, end))
            self.hours_read += end - start
            by_symbol: dict[str, list[HeldHour]] = defaultdict(list)
            for held in self._read_hours(start, end):
                by_symbol[held.symbol].append(held)
            self._empty(start, end, by_symbol)
            for symbol, hours in by_symbol.items():
                self._judge(symbol, sorted(hours, key=lambda held: held.hour), start)
        self._settle_quiet()
        for row in self.book.rows():
            if row.unsealed_reason is Unsealed.OPEN and row.hour < self._over_before:
                self._settle(row)
        return list(self._written.values())

    def _judge(self, symbol: str, hours: list[HeldHour], start: int) -> None:
        before = self.book.previous(symbol, start)
        last_before = None if before is None else before.last_agg_id
        rows = [hour_row(_begun(held, last_before), self._absent) for held in hours]
        ends_as_before = (known := self.book.get(symbol, rows[-1].hour)) is not None and (
            known.last_agg_id == rows[-1].last_agg_id
        )
        # Later hours first: what comes before is judged by what follows.
        for row in reversed(rows):
            self._settle(row)
        for earlier, later in pairwise([before, *rows]):
            if earlier is not None and later is not None:
                self._settle_between(earlier.hour, later)
        if before is not None:
            self._settle(before)
        following = self.book.following(symbol, rows[-1].hour)
        if following is not None and not ends_as_before:
            self._pending.add(following.hour)

    def _empty(self, start: int, end: int, held: Mapping[str, Sequence[HeldHour]]) -> None:
        """Let hours of the block of which silver holds nothing any more be quiet, before others are judged by them."""
        holding = {(each.symbol, each.hour) for hours in held.values() for each in hours}
        for row in self.book.with_trades(start, end):
            if (row.symbol, row.hour) not in holding:
                self._settle(quiet_hour(row.symbol, row.hour))
                self._emptied.add((row.symbol, row.hour))

    def _settle_quiet(self) -> None:
        """Judge the hours without trades, and those before emptied ones, by what is held around them now."""
        for symbol, hour in self._emptied:
            if (before := self.book.previous(symbol, hour)) is not None:
                self._settle(before)
        for row in self.book.rows():
            if not row.present:
                # Only where hours were emptied, which is where all is read, a symbol may begin later than it did.
                may_be_first = bool(self._emptied) or row.unsealed_reason is Unsealed.START_UNKNOWN
                is_first = may_be_first and not self.book.begins_before(row.symbol, row.hour)
                reason = Unsealed.START_UNKNOWN if is_first else None
                self._settle(replace(quiet_hour(row.symbol, row.hour), unsealed_reason=reason))

    def _settle_between(self, earlier_hour: int, later: HourRow) -> None:
        quiet = range(earlier_hour + 1, later.hour)
        if len(quiet) <= QUIET_HOURS_TOLD:
            for hour in quiet:
                self._settle(quiet_hour(later.symbol, hour))

    def _settle(self, row: HourRow) -> None:
        """Judge the row, and write it where it says something new."""
        key = (row.symbol, row.hour)
        # Judged against the row that was stored before, even where it is judged a second time.
        stored = self._stored.setdefault(key, self.book.get(*key))
        judged = sealed(
            row,
            stored,
            is_over=row.hour < self._over_before,
            following=self.book.following(row.symbol, row.hour),
        )
        self.book.put(judged)
        if judged.says_the_same_as(stored):
            self._written.pop(key, None)
        else:
            self._written[key] = judged


def _begun(held: HeldHour, last_before: int | None) -> HeldHour:
    """With the gap before the symbol's lowest id of the block, which only the hours before it can tell."""
    if last_before is None:
        return held
    gaps = [IdRange(max(gap.first, last_before + 1), gap.last) for gap in held.gaps if gap.last > last_before]
    if not held.is_start_known and held.first_agg_id > last_before + 1:
        gaps.insert(0, IdRange(last_before + 1, held.first_agg_id - 1))
    return replace(held, gaps=tuple(gaps), is_start_known=True)
