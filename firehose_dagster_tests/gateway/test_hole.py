"""One hole against an exchange that has some of its ids: all of them are found, and no more is claimed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.frames import RestTrade
from firehose_dagster.binance.gaps import HeldIds, IdRange
from firehose_dagster.binance.heal_plan import AbsentIds, judge_page
from firehose_dagster.gateway.answer_from_below import answer_from_below
from firehose_dagster.gateway.hole import CONFIRM_SECONDS, EMPTY_PAGE_TRIES, UNRESOLVED_SECONDS, Hole
from firehose_dagster_tests.gateway.rest_trades import trades


def _heal(
    hole: Hole, existing: list[int], held: HeldIds, most_requests: int = 400, now: float = 0
) -> tuple[set[int], set[int], int]:
    """Ask an exchange that has `existing` until the hole is settled or unresolved: found, absent, requests."""
    found, absent, requests = set[int](), set[int](), 0
    while not hole.is_settled and not hole.is_unresolved:
        now = max(now, hole.paused_until)
        if not hole.is_ready(now):
            break  # what is left is asked for again in ten minutes
        page = hole.take_page()
        missing = hole.missing(page, held.missing(page.first, page.last))
        if not missing:
            hole.finish_page()
            continue
        asked: list[int] = []

        def ask(from_id: int, asked: list[int] = asked) -> list[RestTrade]:
            asked.append(from_id)
            return trades([agg_id for agg_id in existing if agg_id >= from_id][:1_000])

        first = missing[0].first
        is_from_below = hole.is_suspected(first)
        rows = answer_from_below(ask, first) if is_from_below else ask(first)
        requests += len(asked)
        assert requests <= most_requests
        verdict = judge_page(missing, [row.agg_id for row in rows])
        found.update(verdict.found)
        for agg_id in verdict.found:
            held.add(agg_id)
        hole.settle(verdict.found)
        confirmed, has_new = hole.confirm_absent(verdict.absent)
        for each in confirmed:
            absent.update(range(each.ids.first, each.ids.last + 1))
            held.add_range(each.ids.first, each.ids.last)
        has_new |= hole.suspect(verdict.unproven)
        if not (verdict.found or verdict.absent or verdict.unproven):
            hole.give_back_fruitless(page, now)
        elif has_new or verdict.unknown or verdict.unproven:
            hole.give_back(page, now, 1)
        else:
            hole.finish_page()
        if is_from_below and verdict.unproven:
            hole.park(rows[0].agg_id, now)
    return found, absent, requests


@given(st.sets(st.integers(1, 5_000), max_size=60), st.integers(1, 5_000))
def test_every_id_of_a_hole_is_found_or_confirmed_absent(gone: set[int], last: int) -> None:
    existing = [agg_id for agg_id in range(6_000) if agg_id not in gone]
    found, absent, requests = _heal(Hole(1, "BTCUSDT", IdRange(1, last)), existing, HeldIds())
    assert found == set(range(1, last + 1)) - gone
    assert absent == {agg_id for agg_id in gone if agg_id <= last}
    pages = -(-last // 1_000)
    assert requests <= pages + 3 * len(absent)


@given(st.sets(st.integers(1, 5_000), max_size=20), st.integers(1, 5_000), st.integers(1, 5_500))
def test_what_is_older_than_all_that_rest_has_is_never_called_absent(gone: set[int], last: int, oldest: int) -> None:
    existing = [agg_id for agg_id in range(oldest, 6_000) if agg_id not in gone]
    hole = Hole(1, "BTCUSDT", IdRange(1, last))
    found, absent, _ = _heal(hole, existing, HeldIds())
    assert found == {agg_id for agg_id in existing if agg_id <= last}
    assert absent == {agg_id for agg_id in gone if existing[0] < agg_id <= last}
    unresolved = IdRange(1, min(existing[0] - 1, last)) if existing[0] > 1 else None
    assert hole.unresolved == unresolved
    assert hole.is_settled == (unresolved is None)


def test_a_hole_of_the_exchange_that_is_wider_than_many_pages_is_confirmed_from_the_one_id_below() -> None:
    found, absent, requests = _heal(Hole(1, "A", IdRange(11, 9_990)), [*range(11), *range(9_991, 20_000)], HeldIds())
    assert (found, absent) == (set(), set(range(11, 9_991)))
    assert requests <= 10 * 4


def test_what_is_older_than_all_that_rest_has_is_asked_for_again_after_ten_minutes_and_then_found() -> None:
    hole, held = Hole(1, "A", IdRange(1, 30)), HeldIds()
    assert _heal(hole, list(range(21, 50)), held)[:2] == (set(range(21, 31)), set())
    assert hole.unresolved == IdRange(1, 20)
    assert hole.is_ready(UNRESOLVED_SECONDS + CONFIRM_SECONDS + 1)
    assert not hole.is_ready(UNRESOLVED_SECONDS - 1)
    assert _heal(hole, list(range(50)), held, now=UNRESOLVED_SECONDS + 60)[:2] == (set(range(1, 21)), set())
    assert hole.is_settled


def test_a_hole_without_absent_ids_takes_a_request_a_thousand() -> None:
    assert _heal(Hole(1, "A", IdRange(1, 12_345)), list(range(20_000)), HeldIds())[2] == 13


def test_the_newest_ids_are_asked_for_first() -> None:
    hole = Hole(1, "A", IdRange(1, 2_500))
    assert [hole.take_page() for _ in range(3)] == [IdRange(1_501, 2_500), IdRange(501, 1_500), IdRange(1, 500)]
    assert not hole.is_ready(0)
    assert not hole.is_settled


def test_a_hole_that_reaches_far_above_what_exists_gives_what_exists_and_is_then_unresolved() -> None:
    """A frame with a wrong id, far too high, makes such a hole."""
    hole = Hole(1, "A", IdRange(1, 10**15))
    found, absent, requests = _heal(hole, list(range(1, 3_001)), HeldIds())
    assert found == set(range(1, 3_001))
    assert absent == set()
    assert hole.is_unresolved
    assert requests <= 3 + EMPTY_PAGE_TRIES + 2


def test_absent_ids_are_confirmed_by_a_second_answer_only() -> None:
    hole = Hole(1, "A", IdRange(1, 9))
    first = [AbsentIds(IdRange(2, 4), 5)]
    assert hole.confirm_absent(first) == ([], True)
    # The second look finds 3: the database was behind.
    assert hole.confirm_absent([AbsentIds(IdRange(2, 2), 3), AbsentIds(IdRange(4, 4), 5)]) == (
        [AbsentIds(IdRange(2, 2), 3), AbsentIds(IdRange(4, 4), 5)],
        False,
    )
    assert hole.confirm_absent([AbsentIds(IdRange(4, 8), 9)]) == ([AbsentIds(IdRange(4, 4), 9)], True)


def test_a_forced_hole_is_fetched_though_its_ids_are_held_and_ends_when_they_came() -> None:
    held = HeldIds()
    held.add_range(1, 100)
    assert _heal(Hole(1, "A", IdRange(1, 10)), list(range(200)), held) == (set(), set(), 0)
    found, absent, requests = _heal(Hole(1, "A", IdRange(1, 10), is_forced=True), [1, 2, 5, 9, 10, 11], held)
    assert (found, absent, requests) == ({1, 2, 5, 9, 10}, {3, 4, 6, 7, 8}, 2)


def test_a_page_given_back_waits_and_then_comes_again() -> None:
    hole = Hole(1, "A", IdRange(1, 1_500))
    page = hole.take_page()
    hole.give_back(page, now=100, seconds=CONFIRM_SECONDS)
    assert not hole.is_ready(104.9)
    assert hole.is_ready(105)
    assert hole.take_page() == page


def test_answers_that_prove_nothing_come_ever_more_seldom() -> None:
    hole, now, waits = Hole(1, "A", IdRange(1, 5)), 0.0, list[float]()
    for _ in range(EMPTY_PAGE_TRIES + 2):
        hole.give_back_fruitless(hole.take_page(), now)
        waits.append(hole.paused_until - now)
        now = hole.paused_until
    assert all(wait <= 30 for wait in waits[: EMPTY_PAGE_TRIES - 1])
    assert waits[EMPTY_PAGE_TRIES - 1 :] == pytest.approx([UNRESOLVED_SECONDS] * 3)


def test_no_page_is_taken_from_a_hole_that_has_none() -> None:
    hole = Hole(1, "A", IdRange(1, 5))
    hole.take_page()
    with pytest.raises(ValueError, match="no page is left"):
        hole.take_page()
