"""Gold stays a function of the trades, whatever batches they came in: against a from-scratch recomputation."""

from hypothesis import given, settings
from hypothesis import strategies as st

from firehose_dagster.streams.gold_minutes import MINUTES_PER_HOUR
from firehose_dagster_tests.streams.gold_driver import Driver
from firehose_dagster_tests.streams.gold_trades import Hole, Trade

FIRST_MINUTE = 29_000_000

Step = list[Trade] | Hole | None
"""A batch, a hole told, or a restart."""


@st.composite
def markets(draw: st.DrawFn) -> list[Step]:
    """Time goes on with the id; what is left out of a batch comes late, or never."""
    trades: list[Trade] = []
    for symbol in ("A", "B"):
        minute = FIRST_MINUTE
        for agg_id in range(draw(st.integers(1, 14))):
            minute += draw(st.sampled_from((0, 1, 2, 8, 25, 31, 45, 61, 130, 400)))
            trades.append(Trade(symbol, agg_id, minute, draw(st.integers(90, 110)), draw(st.sampled_from((1, 2, 40)))))
    order = sorted(
        trades, key=lambda trade: (trade.minute + draw(st.sampled_from((0, 0, 0, 60, 300, 700, 1500))), trade.agg_id)
    )
    never = draw(st.sets(st.integers(0, 14), max_size=4))
    order = [trade for trade in order if trade.agg_id not in never] or order
    batches: list[Step] = []
    while order:
        size = draw(st.integers(1, 6))
        batch, order = order[:size], order[size:]
        if draw(st.booleans()):
            batch = [*batch, draw(st.sampled_from(batch))]
        batches.append(batch)
        if draw(st.integers(0, 3)) == 0:
            batches.append(None)
        if draw(st.integers(0, 2)) == 0:
            first = draw(st.integers(0, 14))
            batches.append(Hole(draw(st.sampled_from("AB")), first, first + draw(st.integers(0, 2))))
    return batches


@settings(max_examples=300, deadline=None)
@given(markets())
def test_gold_equals_a_recomputation_after_any_batches_holes_and_restarts(steps: list[Step]) -> None:
    driver = Driver()
    for step in steps:
        match step:
            case None:
                driver.restart()
            case Hole():
                driver.learn(step)
                driver.require_expected()
            case _:
                driver.take(step)
                driver.require_expected()


def _one(agg_id: int, minute: int, symbol: str = "A", qty: int = 1) -> Trade:
    return Trade(symbol, agg_id, FIRST_MINUTE + minute, 100, qty)


def test_late_trades_hours_apart_in_one_batch_complete_every_minute_that_follows_them() -> None:
    driver = Driver()
    driver.take([_one(1, 0), _one(3, 300), _one(5, 720), _one(6, 900)])
    driver.restart()
    driver.take([_one(2, 1), _one(4, 420)])
    driver.require_expected()


def test_after_a_restart_a_minute_that_becomes_final_still_knows_the_hour_before_it() -> None:
    driver = Driver()
    to_the_hour = -FIRST_MINUTE % MINUTES_PER_HOUR
    driver.take([_one(1, 0), _one(3, 45), _one(4, to_the_hour + 405, qty=7), _one(5, to_the_hour + 430)])
    driver.restart()
    driver.take([_one(2, 1), _one(1, to_the_hour + 490, "B")])
    driver.require_expected()


def test_a_minute_that_lacks_only_what_never_was_becomes_complete_within_or_before_it() -> None:
    driver = Driver()
    driver.take([_one(1, 0), _one(2, 1), _one(4, 1), _one(7, 3), _one(8, 4)])
    assert [row.features.is_complete for row in driver.stored.all_rows()] == [False, False, False, True]
    driver.learn(Hole("A", 3, 3))
    assert [row.features.is_complete for row in driver.stored.all_rows()] == [False, True, False, True]
    driver.learn(Hole("A", 5, 6))
    assert [row.features.is_complete for row in driver.stored.all_rows()] == [False, True, True, True]
    # One of them turns up: the minute that it makes complete follows, and the next goes on from it.
    driver.take([_one(6, 2)])
    driver.require_expected()
    assert [row.features.is_complete for row in driver.stored.all_rows()] == [False, True, True, True, True]


def _ends(driver: Driver) -> dict[int, tuple[bool, int]]:
    """Of each minute whether it is final, and its revision."""
    return {row.base.minute - FIRST_MINUTE: (row.is_final, row.revision) for row in driver.stored.all_rows()}


def test_a_late_trade_revises_the_final_minutes_up_to_30_after_it_and_no_open_one() -> None:
    driver = Driver()
    driver.take([_one(1, 0), _one(3, 1), _one(4, 20), _one(5, 30)])
    # The watermark is at minute 20: minutes 0 and 1 are over, 20 is not.
    assert _ends(driver) == {0: (True, 0), 1: (True, 0), 20: (False, 0), 30: (False, 0)}
    driver.take([_one(2, 0)])
    driver.require_expected()
    driver.take([_one(6, 30)])
    assert _ends(driver) == {0: (True, 1), 1: (True, 1), 20: (False, 0), 30: (False, 0)}
    driver.restart()
    driver.take([_one(7, 400)])
    driver.require_expected()
    assert _ends(driver) == {0: (True, 1), 1: (True, 1), 20: (True, 0), 30: (True, 0), 400: (False, 0)}


def test_a_late_trade_changes_the_minutes_of_the_next_hour_that_was_let_go() -> None:
    driver = Driver()
    # The first minute is 20 past the hour: minute 45 lies in the next one.
    driver.take([_one(1, 0), _one(3, 30), _one(4, 45), _one(5, 700)])
    driver.restart()
    driver.take([_one(2, 29)])
    driver.require_expected()
