"""What a reconciliation reads, and what is settled behind it."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.contracts.topic import OffsetRange
from firehose_dagster.maintenance.reconciliation.counts import LakeCounts
from firehose_dagster.maintenance.reconciliation.plan import absent_offsets, days_settled, hours_due, still_settled

MONDAY, TUESDAY = 100, 101
"""Two days; their hours are 2400 to 2423, and 2424 to 2447."""
COUNTS = LakeCounts(frozenset({2_400, 2_423, 2_424, 2_425}), {MONDAY: "b9s8", TUESDAY: "b5s5"}, {TUESDAY: 1}, 14)


def test_hours_that_are_over_are_due_newest_first() -> None:
    assert hours_due(COUNTS, {}, 2_425) == [2_424, 2_423, 2_400]


def test_an_hour_that_is_not_over_is_left_alone() -> None:
    assert hours_due(COUNTS, {}, 2_424) == [2_423, 2_400]


def test_a_settled_day_is_read_again_only_when_its_counts_changed() -> None:
    assert hours_due(COUNTS, {MONDAY: "b9s8"}, 2_425) == [2_424]
    assert hours_due(COUNTS, {MONDAY: "b9s7"}, 2_425) == [2_424, 2_423, 2_400]


def test_nothing_is_settled_any_more_where_quarantine_lost_a_record() -> None:
    assert still_settled(COUNTS, {MONDAY: "b9s8"}, {TUESDAY: 1}) == {MONDAY: "b9s8"}
    assert still_settled(COUNTS, {MONDAY: "b9s8"}, {TUESDAY: 2}) == {}
    assert still_settled(COUNTS, {MONDAY: "b9s8"}, {TUESDAY: 1, MONDAY: 1}) == {}


def test_a_day_is_settled_when_it_is_over_and_each_of_its_hours_was_found_clean() -> None:
    assert days_settled(COUNTS, {}, 2_424, {2_400, 2_423}) == {MONDAY: "b9s8"}
    assert days_settled(COUNTS, {}, 2_424, {2_400}) == {}
    assert days_settled(COUNTS, {}, 2_423, {2_400, 2_423}) == {}
    assert days_settled(COUNTS, {MONDAY: "b9s8"}, 2_424, ()) == {MONDAY: "b9s8"}


@given(st.frozensets(st.integers(2_400, 2_471)), st.integers(2_400, 2_475), st.data())
def test_what_was_settled_is_not_due_and_what_was_not_stays_due(
    hours: frozenset[int], over_before: int, data: st.DataObject
) -> None:
    counts = LakeCounts(hours, {hour // 24: f"b{hour // 24}" for hour in hours}, {}, len(hours))
    due = hours_due(counts, {}, over_before)
    clean = data.draw(st.frozensets(st.sampled_from(due))) if due else frozenset[int]()
    settled = days_settled(counts, {}, over_before, clean)
    again = hours_due(counts, settled, over_before)
    assert set(due) - clean <= set(again)
    assert all(hour // 24 not in settled for hour in again)
    # Nothing of a day that may still get hours is taken for settled.
    assert all((day + 1) * 24 <= over_before for day in settled)


def test_absent_offsets_are_told_as_ranges() -> None:
    assert absent_offsets(3, 10, 20, [10, 11, 14, 15, 19, 25, 2]) == [OffsetRange(3, 12, 14), OffsetRange(3, 16, 19)]
    assert absent_offsets(3, 10, 12, []) == [OffsetRange(3, 10, 12)]
    assert absent_offsets(3, 10, 12, [10, 11]) == []


@given(st.integers(0, 30), st.integers(0, 30), st.frozensets(st.integers(0, 40)))
def test_held_and_absent_offsets_are_all_there_are(first: int, length: int, held: frozenset[int]) -> None:
    ranges = absent_offsets(0, first, first + length, held)
    absent = {offset for each in ranges for offset in range(each.first, each.end)}
    assert absent == set(range(first, first + length)) - held
    assert all(left.end < right.first for left, right in pairwise(ranges))
