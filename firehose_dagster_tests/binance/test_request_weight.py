"""The budget is never passed, by our account or the exchange's, and a refusal is obeyed."""

from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.request_weight import WeightBudget


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 30)), max_size=60), st.integers(30, 100))
def test_no_calendar_minute_is_asked_for_more_than_the_budget(asked: list[tuple[int, int]], per_minute: int) -> None:
    budget, now, by_minute = WeightBudget(per_minute), 0.0, dict[int, int]()
    for pause, weight in asked:
        now += pause
        while (wait := budget.wait_seconds(now, weight, steady=now)) > 0:
            assert wait <= 60
            now += wait
        by_minute[int(now // 60)] = by_minute.get(int(now // 60), 0) + weight
    assert all(used <= per_minute for used in by_minute.values())
    assert budget.highest_used == max(by_minute.values(), default=0)


def test_what_others_used_from_this_address_counts_until_the_minute_ends() -> None:
    budget = WeightBudget(100)
    assert budget.wait_seconds(10, 4, steady=10) == 0
    budget.note_used(10.2, 98)
    assert budget.wait_seconds(10.5, 4, steady=10.5) == 49.5
    assert budget.wait_seconds(60, 4, steady=60) == 0


def test_an_answer_that_overtook_another_does_not_lower_what_was_used() -> None:
    budget = WeightBudget(10)
    for _ in range(2):
        assert budget.wait_seconds(1, 4, steady=1) == 0
    budget.note_used(1.1, 4)
    assert budget.wait_seconds(1.2, 4, steady=1.2) > 0


def test_a_request_heavier_than_the_budget_goes_alone() -> None:
    budget = WeightBudget(10)
    assert budget.wait_seconds(0, 20, steady=0) == 0
    assert budget.wait_seconds(1, 1, steady=1) == 59
    assert budget.wait_seconds(60, 1, steady=60) == 0
    assert budget.wait_seconds(61, 20, steady=61) == 59


def test_a_refusal_is_obeyed_past_the_minute_and_a_shorter_one_does_not_shorten_it() -> None:
    budget = WeightBudget(100)
    assert budget.note_status(418, 130, steady=0) == 130
    assert budget.note_status(429, 7, steady=1) == 7
    assert budget.wait_seconds(1, 1, steady=1) == 129
    assert budget.wait_seconds(130, 1, steady=130) == 0


def test_a_refusal_without_a_time_waits_as_its_kind_asks() -> None:
    for status, seconds in ((429, 60), (418, 120), (403, 300)):
        budget = WeightBudget(100)
        assert budget.note_status(status, None, steady=1_000) == seconds
        assert budget.wait_seconds(1_000, 1, steady=1_000) == seconds


def test_an_answer_that_is_no_limit_stops_nothing() -> None:
    budget = WeightBudget(100)
    assert budget.note_status(503, 9, steady=0) is None
    assert budget.wait_seconds(0, 1, steady=0) == 0


def test_a_clock_set_back_by_an_hour_holds_nothing_back_for_longer_than_the_minute() -> None:
    budget = WeightBudget(10)
    assert budget.wait_seconds(7_200, 10, steady=0) == 0
    # What was used is still used, for the exchange's minute is the same.
    assert budget.wait_seconds(3_610, 1, steady=10) == 50
    assert budget.wait_seconds(3_660, 1, steady=60) == 0


def test_a_ban_lasts_as_long_as_it_was_given_whatever_the_clock_is_set_to() -> None:
    budget = WeightBudget(10)
    assert budget.note_status(418, 120, steady=1_000) == 120
    for hour in (0, 3_600, 7_200):
        assert budget.wait_seconds(hour, 1, steady=1_030) == 90
    assert budget.wait_seconds(0, 1, steady=1_120) == 0
