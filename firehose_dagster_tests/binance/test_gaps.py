"""Held id ranges against a plain set, the slow and obvious way."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.gaps import HeldIds, IdRange

IDS = st.integers(min_value=0, max_value=60)
RANGES = st.lists(st.tuples(IDS, st.integers(min_value=0, max_value=8)), max_size=30)


def _expand(ranges: list[IdRange]) -> list[int]:
    return [agg_id for part in ranges for agg_id in range(part.first, part.last + 1)]


@given(RANGES, IDS, IDS)
def test_ranges_hold_and_miss_what_a_plain_set_does(added: list[tuple[int, int]], first: int, last: int) -> None:
    held, plain = HeldIds(), set[int]()
    for start, extra in added:
        if extra == 0:
            held.add(start)
        else:
            held.add_range(start, start + extra)
        plain.update(range(start, start + extra + 1))
    assert _expand(held.ranges()) == sorted(plain)
    assert len(held) == len(plain)
    assert _expand(held.missing(first, last)) == [agg_id for agg_id in range(first, last + 1) if agg_id not in plain]
    assert [agg_id in held for agg_id in range(70)] == [agg_id in plain for agg_id in range(70)]
    assert held.highest == (max(plain) if plain else None)
    assert held.lowest == (min(plain) if plain else None)


@given(st.permutations(range(40)))
def test_ids_in_any_order_end_as_one_range(ids: list[int]) -> None:
    held = HeldIds()
    for agg_id in ids:
        held.add(agg_id)
    assert held.ranges() == [IdRange(0, 39)]


@given(RANGES)
def test_held_ranges_never_touch_each_other(added: list[tuple[int, int]]) -> None:
    held = HeldIds()
    for start, extra in added:
        held.add_range(start, start + extra)
    ranges = held.ranges()
    assert all(left.last + 1 < right.first for left, right in pairwise(ranges))


def test_a_gap_is_named_with_both_ends() -> None:
    held = HeldIds()
    held.add_range(3_800_397_495, 3_800_397_497)
    held.add(3_800_397_500)
    assert held.missing(3_800_397_495, 3_800_397_500) == [IdRange(3_800_397_498, 3_800_397_499)]
    assert len(held.missing(3_800_397_495, 3_800_397_500)[0]) == 2


def test_a_range_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="5 to 4"):
        HeldIds().add_range(5, 4)


@given(RANGES, RANGES)
def test_what_is_removed_is_held_no_more(added: list[tuple[int, int]], removed: list[tuple[int, int]]) -> None:
    held, plain = HeldIds(), set[int]()
    for start, extra in added:
        held.add_range(start, start + extra)
        plain.update(range(start, start + extra + 1))
    for start, extra in removed:
        held.remove_range(start, start + extra)
        plain.difference_update(range(start, start + extra + 1))
    assert _expand(held.ranges()) == sorted(plain)
    assert all(later.first > earlier.last + 1 for earlier, later in pairwise(held.ranges()))


def test_a_removed_range_must_not_end_before_it_begins() -> None:
    with pytest.raises(ValueError, match="5 to 4"):
        HeldIds().remove_range(5, 4)
