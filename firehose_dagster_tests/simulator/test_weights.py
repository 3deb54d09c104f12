from firehose_dagster.simulator.violations import Violations
from firehose_dagster.simulator.weights import Admission, Weights

MINUTE_US = 60_000_000
START_US = 1_000 * MINUTE_US


class Clock:
    now_us = START_US

    def __call__(self) -> int:
        return self.now_us


def made(tolerated: int = 2, in_flight_seconds: float = 0.0) -> tuple[Weights, Clock, Violations]:
    clock, violations = Clock(), Violations()
    weights = Weights(10, clock, violations, tolerated=tolerated, ban_seconds=120, in_flight_seconds=in_flight_seconds)
    return weights, clock, violations


def test_the_budget_is_of_a_calendar_minute_and_an_address() -> None:
    weights, clock, violations = made()
    assert [weights.admit("a", 4) for _ in range(2)] == [Admission(4), Admission(8)]
    assert weights.admit("b", 10) == Admission(10)
    clock.now_us += MINUTE_US - 1
    assert weights.admit("a", 2) == Admission(10)
    clock.now_us += 1
    assert weights.admit("a", 10) == Admission(10)
    assert violations == Violations()
    assert (weights.requests, weights.highest) == (5, 10)


def test_over_the_budget_is_429_until_the_minute_ends() -> None:
    weights, clock, violations = made()
    clock.now_us += 20_000_000
    assert weights.admit("a", 11) == Admission(11, 429, 40)
    clock.now_us += 40_000_000
    assert weights.admit("a", 1) == Admission(1)
    assert violations == Violations(weight_exceeded=1)


def test_asking_on_is_counted_and_then_banned_for_longer_each_time() -> None:
    weights, clock, violations = made(tolerated=2)
    weights.admit("a", 11)
    assert [weights.admit("a", 1).refused_status for _ in range(3)] == [429, 429, 418]
    assert violations == Violations(weight_exceeded=1, asked_while_limited=3, bans=1)
    clock.now_us += 120_000_000 - 1
    assert weights.admit("a", 1) == Admission(1, 418, 1)
    clock.now_us += 1
    assert weights.admit("a", 1).refused_status is None
    weights.refuse("a", 429, 5)
    assert [weights.admit("a", 1).refused_status for _ in range(3)] == [429, 429, 418]
    assert weights.admit("a", 1).retry_after_seconds == 240


def test_a_refusal_made_to_order_binds_like_a_real_one() -> None:
    weights, clock, violations = made()
    weights.refuse("a", 418, 3)
    assert weights.admit("a", 1) == Admission(1, 418, 3)
    assert weights.admit("b", 1) == Admission(1)
    clock.now_us += 3_000_000
    assert weights.admit("a", 1) == Admission(2)
    assert violations == Violations(asked_while_limited=1)


def test_requests_that_were_on_their_way_are_refused_but_no_violation() -> None:
    weights, clock, violations = made(tolerated=0, in_flight_seconds=0.5)
    weights.refuse("a", 429, 5)
    clock.now_us += 499_999
    assert weights.admit("a", 1) == Admission(1, 429, 5)
    assert violations == Violations()
    clock.now_us += 1
    assert weights.admit("a", 1).refused_status == 418
    assert violations == Violations(asked_while_limited=1, bans=1)
