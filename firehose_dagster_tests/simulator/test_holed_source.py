"""A hole is an id that no way leads to, and it is never made of an id that someone was told of."""

from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firehose_dagster.simulator.holed_source import HoledSource
from firehose_dagster.simulator.synthetic import SyntheticSource
from firehose_dagster_tests.simulator.markets import trade_of

NOW_US = 1_795_538_730_000_000
SECOND_US = 1_000_000
SYMBOL = "BTCUSDT"


@pytest.fixture
def source() -> Iterator[HoledSource]:
    inner = SyntheticSource(1, (SYMBOL, "ETHUSDT"), 100, 0)
    yield HoledSource(inner)
    inner.close()


def all_ids(source: HoledSource, from_id: int, now_us: int) -> list[int]:
    found: list[int] = []
    while page := source.trades_from(SYMBOL, from_id, 7, now_us):
        assert len(page) <= 7
        found += [trade.agg_id for trade in page]
        from_id = found[-1] + 1
    return found


def test_the_ids_of_a_hole_are_neither_sent_nor_looked_up_and_their_neighbours_are(source: HoledSource) -> None:
    tape = source.open("btcusdt@aggTrade", NOW_US)
    assert tape is not None
    before = [trade_of(event).agg_id for event in tape.take(NOW_US + SECOND_US)]
    hole = source.make_hole(SYMBOL, 5, NOW_US + SECOND_US)
    assert hole == (before[-1] + 1, before[-1] + 5)
    end_us = NOW_US + 3 * SECOND_US
    after = [trade_of(event).agg_id for event in tape.take(end_us)]
    assert after[0] == before[-1] + 6
    assert after == list(range(after[0], after[0] + len(after)))
    assert all_ids(source, before[0], end_us) == before + after
    between = source.trades_between(SYMBOL, NOW_US, end_us, 10_000, end_us)
    assert [trade.agg_id for trade in between] == before + after
    assert [trade.agg_id for trade in source.latest_trades(SYMBOL, end_us, len(after) + 1, end_us)] == [
        before[-1],
        *after,
    ]
    assert source.holes(SYMBOL) == (hole,)
    assert source.holes("ETHUSDT") == ()


def test_a_full_page_before_a_hole_is_followed_by_one_behind_it(source: HoledSource) -> None:
    tape = source.open("btcusdt@aggTrade", NOW_US)
    assert tape is not None
    last = trade_of(list(tape.take(NOW_US + SECOND_US))[-1]).agg_id
    source.make_hole(SYMBOL, 30, NOW_US + SECOND_US)
    page = source.trades_from(SYMBOL, last + 1, 3, NOW_US + 5 * SECOND_US)
    assert [trade.agg_id for trade in page] == [last + 31, last + 32, last + 33]


def test_an_id_that_was_told_is_never_taken_away(source: HoledSource) -> None:
    source.open("btcusdt@aggTrade", NOW_US)
    later_us = NOW_US + 2 * SECOND_US
    told = source.latest_trades(SYMBOL, later_us, 1, later_us)[0].agg_id
    # As if the clock of the one who makes the hole stood before that of the answer.
    assert source.make_hole(SYMBOL, 1, NOW_US) == (told + 1, told + 1)
    assert source.make_hole(SYMBOL, 2, NOW_US) == (told + 2, told + 3)


def test_the_highest_due_id_exists(source: HoledSource) -> None:
    source.open("btcusdt@aggTrade", NOW_US)
    now_us = NOW_US + SECOND_US
    due = source.due_ids(SYMBOL, now_us)
    assert due is not None
    source.make_hole(SYMBOL, 10_000, now_us)
    assert source.due_ids(SYMBOL, now_us + 10 * SECOND_US) == due


def test_a_symbol_without_a_trade_gets_no_hole(source: HoledSource) -> None:
    assert source.make_hole(SYMBOL, 1, NOW_US) is None


@settings(max_examples=30, deadline=None)  # a synthetic minute takes its time to be made
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(0, 3)), max_size=8))
def test_rest_has_exactly_the_ids_outside_the_holes(steps: list[tuple[int, int]]) -> None:
    inner = SyntheticSource(1, (SYMBOL,), 20, 0)
    source = HoledSource(inner)
    tape = source.open("btcusdt@aggTrade", NOW_US)
    assert tape is not None
    sent: list[int] = []
    now_us = NOW_US
    taken_away: set[int] = set()
    for seconds, count in [(2, 0), *steps, (60, 0)]:
        now_us += seconds * SECOND_US
        sent += [trade_of(event).agg_id for event in tape.take(now_us)]
        if count and (hole := source.make_hole(SYMBOL, count, now_us)) is not None:
            taken_away.update(range(hole[0], hole[1] + 1))
    last = inner.due_ids(SYMBOL, now_us)
    assert last is not None
    expected = [agg_id for agg_id in range(sent[0], last[1] + 1) if agg_id not in taken_away]
    assert sent == expected
    assert all_ids(source, sent[0], now_us) == expected
    inner.close()
