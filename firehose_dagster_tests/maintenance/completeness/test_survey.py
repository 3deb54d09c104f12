"""However trades arrive, each look leaves what a look at everything would; checked against sets."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.lake.exchange_holes import AbsentIds
from firehose_dagster.maintenance.completeness.hour import HeldHour, HourRow, Unsealed
from firehose_dagster.maintenance.completeness.survey import QUIET_HOURS_TOLD, HourBook, Survey

WINDOW_HOURS = 3
"""Rows older than this before the first change are not loaded, as in a large lake."""


@dataclass
class Lake:
    """Trades by symbol and id, the holes known, and the newest rows of completeness."""

    hour_of: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(dict))
    holes: AbsentIds = field(default_factory=AbsentIds)
    rows: dict[tuple[str, int], HourRow] = field(default_factory=dict)
    over_before: int = 0
    seals: dict[tuple[str, int], list[tuple[object, ...]]] = field(default_factory=lambda: defaultdict(list))

    def back_to_trades(self, symbol: str, before_hour: int) -> Sequence[HourRow]:
        rows = [row for (each, hour), row in self.rows.items() if each == symbol and hour < before_hour]
        latest = max((row.hour for row in rows if row.present), default=before_hour)
        return [row for row in rows if row.hour >= latest]

    def read_hours(self, start: int, end: int) -> Sequence[HeldHour]:
        found = []
        for symbol, hour_of in self.hour_of.items():
            ids = sorted(agg_id for agg_id, hour in hour_of.items() if start <= hour < end)
            before = dict(zip(ids, [None, *ids], strict=False))
            for hour in {hour_of[agg_id] for agg_id in ids}:
                mine = [agg_id for agg_id in ids if hour_of[agg_id] == hour]
                gaps = tuple(
                    IdRange(low + 1, agg_id - 1)
                    for agg_id in mine
                    if (low := before[agg_id]) is not None and agg_id > low + 1
                )
                known = all(before[agg_id] is not None for agg_id in mine)
                found.append(HeldHour(symbol, hour, mine[0], mine[-1], len(mine), gaps, known))
        return found

    def look(self, changed: set[int], *, may_have_left: bool = False) -> list[HourRow]:
        everything = self.over_before if not changed else min(changed) - WINDOW_HOURS
        due = [row.hour for row in self.rows.values() if row.unsealed_reason is Unsealed.OPEN]
        if may_have_left:
            due = [row.hour for row in self.rows.values()]
            changed = {hour for hour_of in self.hour_of.values() for hour in hour_of.values()}
            changed |= {row.hour for row in self.rows.values() if row.present}
        since = min([everything, *due])
        book = HourBook([row for (_, hour), row in self.rows.items() if hour >= since], self)
        written = Survey(book, self.read_hours, self.holes, self.over_before).run(changed)
        assert len({(row.symbol, row.hour) for row in written}) == len(written)
        for row in written:
            assert not row.says_the_same_as(self.rows.get((row.symbol, row.hour)))
            self.rows[row.symbol, row.hour] = row
        return written

    def expected(self) -> dict[tuple[str, int], tuple[object, ...]]:
        """Every hour by its definition: figures, missing ids, and why it is not sealed."""
        expected: dict[tuple[str, int], tuple[object, ...]] = {}
        for symbol, hour_of in self.hour_of.items():
            emptied = {hour for each, hour in self.rows if each == symbol} - set(hour_of.values())
            if not hour_of:
                for hour in emptied:
                    expected[symbol, hour] = ((None, None), 0, 0, 0, set(), Unsealed.START_UNKNOWN)
                continue
            ids = sorted(hour_of)
            demanded: dict[int, set[int]] = defaultdict(set)
            for low, agg_id in zip([ids[0] - 1, *ids], ids, strict=False):
                demanded[hour_of[agg_id]] |= set(range(low + 1, agg_id + 1))
            hours = sorted(demanded)
            absent = {agg_id for agg_id in range(ids[0], ids[-1] + 1) if (symbol, agg_id) in self.holes} - set(ids)
            missing = {hour: demanded[hour] - set(ids) - absent for hour in hours}
            firsts = {hour: min(agg_id for agg_id in ids if hour_of[agg_id] == hour) for hour in hours}
            start_hour = hour_of[ids[0]]
            for hour in sorted({*range(hours[0], hours[-1] + 1), *emptied}):
                later = [each for each in hours if each > hour]
                earlier = [each for each in hours if each < hour]
                present = [agg_id for agg_id in ids if hour_of[agg_id] == hour]
                if hour not in emptied and not present and later[0] - earlier[-1] - 1 > QUIET_HOURS_TOLD:
                    continue
                lacking = bool(later) and any(agg_id < firsts[later[0]] for agg_id in missing[later[0]])
                reason = (
                    Unsealed.START_UNKNOWN
                    if hour <= start_hour
                    else Unsealed.OPEN
                    if hour >= self.over_before
                    else Unsealed.MISSING
                    if missing.get(hour)
                    else Unsealed.END_UNKNOWN
                    if not later
                    else Unsealed.MISSING_AT_END
                    if lacking
                    else None
                )
                expected[symbol, hour] = (
                    (present[0], present[-1]) if present else (None, None),
                    len(demanded.get(hour, ())),
                    len(present),
                    len(demanded.get(hour, set()) & absent),
                    missing.get(hour, set()),
                    reason,
                )
        return expected

    def require_expected(self) -> None:
        found = {key: _content(row) for key, row in self.rows.items()}
        assert found == self.expected()

    def require_versions(self, written: Sequence[HourRow]) -> None:
        """A version for each time an hour was sealed; within one version a sealed hour never changes."""
        for row in written:
            seals = self.seals[row.symbol, row.hour]
            if row.is_sealed:
                seals.append(_content(row))
            assert row.seal_version == len(seals)
            assert row.is_sealed <= (row.missing == 0 and row.expected == row.present + row.exchange_holes)


def _content(row: HourRow) -> tuple[object, ...]:
    missing = {agg_id for ids in row.missing_ranges for agg_id in range(ids.first, ids.last + 1)}
    assert len(missing) == row.missing
    return (
        (row.first_agg_id, row.last_agg_id),
        row.expected,
        row.present,
        row.exchange_holes,
        missing,
        row.unsealed_reason,
    )


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[str, object]]:
    """Trades whose hours go on with their ids come in any order, or never, or leave; holes are told; the watermark
    moves."""
    trades: list[tuple[str, int, int]] = []
    for symbol in ("A", "B"):
        hour = draw(st.integers(1, 4))
        for agg_id in range(draw(st.integers(1, 16))):
            hour += draw(st.sampled_from((0, 0, 0, 1, 1, 2, 3, 5, 60)))
            trades.append((symbol, agg_id, hour))
    trades = draw(st.permutations(trades)) if draw(st.booleans()) else sorted(trades, key=lambda each: each[2])
    steps: list[tuple[str, object]] = []
    while trades:
        size = draw(st.integers(1, 8))
        batch, trades = trades[:size], trades[size:]
        steps.append(("trades", [each for each in batch if draw(st.integers(0, 5))]))
        if draw(st.integers(0, 2)) == 0:
            first = draw(st.integers(0, 15))
            steps.append(("hole", (draw(st.sampled_from("AB")), IdRange(first, first + draw(st.integers(0, 3))))))
        if draw(st.integers(0, 3)) == 0:
            first = draw(st.integers(0, 15))
            steps.append(("loss", (draw(st.sampled_from("AB")), IdRange(first, first + draw(st.integers(0, 15))))))
        if draw(st.booleans()):
            steps.append(("watermark", draw(st.integers(1, 30))))
    return steps


@settings(max_examples=400, deadline=None)
@given(histories())
def test_any_history_of_looks_leaves_what_one_look_at_everything_would(steps: list[tuple[str, object]]) -> None:
    lake = Lake()
    for kind, what in steps:
        changed: set[int] = set()
        may_have_left = kind == "loss"
        if kind == "trades":
            assert isinstance(what, list)
            for symbol, agg_id, hour in what:
                lake.hour_of[symbol][agg_id] = hour
                changed.add(hour)
        elif kind == "hole":
            assert isinstance(what, tuple)
            lake.holes.add(*what)
            changed = {row.hour for row in lake.rows.values() if row.symbol == what[0] and row.missing}
        elif kind == "loss":
            assert isinstance(what, tuple)
            symbol, lost = what
            for agg_id in range(lost.first, lost.last + 1):
                lake.hour_of[symbol].pop(agg_id, None)
        else:
            assert isinstance(what, int)
            lake.over_before = max(lake.over_before, what)
        lake.require_versions(lake.look(changed, may_have_left=may_have_left))
        lake.require_expected()
        assert lake.look(set()) == []


def _lake(hours: dict[int, int], over_before: int = 100) -> Lake:
    lake = Lake(over_before=over_before)
    lake.hour_of["A"] = hours
    lake.look(set(hours.values()))
    return lake


def _reasons(lake: Lake) -> dict[int, Unsealed | None]:
    return {hour: row.unsealed_reason for (_, hour), row in sorted(lake.rows.items())}


def test_an_outage_over_the_turn_of_the_hour_seals_neither_side_until_it_is_healed() -> None:
    lake = _lake({1: 10, 2: 11, 3: 11, 6: 12, 7: 12, 8: 13})
    assert _reasons(lake) == {
        10: Unsealed.START_UNKNOWN,
        11: Unsealed.MISSING_AT_END,
        12: Unsealed.MISSING,
        13: Unsealed.END_UNKNOWN,
    }
    assert lake.rows["A", 12].missing_ranges == (IdRange(4, 5),)
    lake.hour_of["A"] |= {4: 11, 5: 12}
    lake.look({11, 12})
    assert _reasons(lake)[11] is None
    assert _reasons(lake)[12] is None
    assert (lake.rows["A", 11].last_agg_id, lake.rows["A", 12].first_agg_id) == (4, 5)


def test_ids_that_cross_the_turn_of_the_hour_are_missing_nowhere() -> None:
    lake = _lake({1: 10, 2: 11, 3: 11, 5: 11, 4: 12, 6: 12, 7: 13})
    assert _reasons(lake)[11] is None
    assert _reasons(lake)[12] is None
    assert (lake.rows["A", 11].expected, lake.rows["A", 12].expected) == (3, 2)


def test_only_the_hours_that_changed_and_their_neighbours_are_read() -> None:
    lake = _lake({agg_id: 10 + agg_id for agg_id in range(1, 20)})
    read: list[tuple[int, int]] = []

    def read_hours(start: int, end: int) -> Sequence[HeldHour]:
        read.append((start, end))
        return lake.read_hours(start, end)

    lake.hour_of["A"][20] = 30
    Survey(HourBook(lake.rows.values(), lake), read_hours, lake.holes, 100).run({30})
    assert read == [(29, 31)]
