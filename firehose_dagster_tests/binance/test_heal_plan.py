"""Pages cover what is missing, and an answer proves no more than it shows."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.binance.heal_plan import AbsentIds, PageVerdict, judge_page, take_page


@given(st.integers(0, 10**12), st.integers(1, 12_345), st.booleans())
def test_the_pages_of_a_hole_are_its_ids_each_once_a_thousand_at_most(first: int, count: int, newest: bool) -> None:
    pages: list[IdRange] = []
    rest: IdRange | None = IdRange(first, first + count - 1)
    while rest is not None:
        page, rest = take_page(rest, newest_first=newest)
        pages.append(page)
    assert all(len(page) <= 1_000 for page in pages)
    assert len(pages) == -(-count // 1_000)
    ids = [agg_id for page in sorted(pages) for agg_id in range(page.first, page.last + 1)]
    assert ids == list(range(first, first + count))
    assert pages == sorted(pages, reverse=newest)


@given(st.sets(st.integers(0, 60), min_size=1), st.sets(st.integers(0, 80)), st.integers(0, 5))
def test_a_verdict_is_what_sets_say(missing: set[int], existing: set[int], below: int) -> None:
    parts: list[IdRange] = []
    for agg_id in sorted(missing):
        if parts and parts[-1].last == agg_id - 1:
            parts[-1] = IdRange(parts[-1].first, agg_id)
        else:
            parts.append(IdRange(agg_id, agg_id))
    returned = [agg_id for agg_id in sorted(existing) if agg_id >= max(0, min(missing) - below)][:20]
    verdict = judge_page(parts, list(reversed(returned)))
    highest = max(returned, default=-1)
    absent, unproven = (
        [(agg_id, each.next_id) for each in part for agg_id in range(each.ids.first, each.ids.last + 1)]
        for part in (verdict.absent, verdict.unproven)
    )
    unknown = [agg_id for part in verdict.unknown for agg_id in range(part.first, part.last + 1)]
    assert list(verdict.found) == sorted(missing & set(returned))
    left_out = [
        (agg_id, min(each for each in returned if each > agg_id))
        for agg_id in sorted(missing - set(returned))
        if agg_id < highest
    ]
    assert absent == [each for each in left_out if min(returned) < each[0]]
    assert unproven == [each for each in left_out if min(returned) > each[0]]
    assert unknown == [agg_id for agg_id in sorted(missing) if agg_id > highest]


@pytest.mark.parametrize(
    ("returned", "verdict"),
    [
        ([], PageVerdict((), (), (), (IdRange(5, 9),))),
        ([5, 6, 7, 8, 9], PageVerdict((5, 6, 7, 8, 9), (), (), ())),
        ([5, 8], PageVerdict((5, 8), (AbsentIds(IdRange(6, 7), 8),), (), (IdRange(9, 9),))),
        ([4, 40, 41], PageVerdict((), (AbsentIds(IdRange(5, 9), 40),), (), ())),
        ([40, 41], PageVerdict((), (), (AbsentIds(IdRange(5, 9), 40),), ())),
    ],
    ids=["an empty page proves nothing", "a full one", "between and behind", "all absent", "nothing below"],
)
def test_answers_by_hand(returned: list[int], verdict: PageVerdict) -> None:
    assert judge_page([IdRange(5, 9)], returned) == verdict
