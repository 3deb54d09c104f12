from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.alerts.delivery import Delivery, Outcome, SpikeKey
from firehose_dagster.alerts.dispatch import dispatch
from firehose_dagster.alerts.outbox import BACKOFF, expiry, plan, replays
from firehose_dagster.alerts.webhook import DeliveryOutcome, PostOutcome

T0 = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def _key(symbol: str, minute: int, kind: str = "volume") -> SpikeKey:
    return SpikeKey(f"{symbol}-{minute}-{kind}", symbol, T0 + timedelta(minutes=minute), kind)


def _row(key: SpikeKey, attempt: int, outcome: Outcome, at: datetime = T0, duration_ms: int = 0) -> Delivery:
    return Delivery(key, attempt, outcome, None, None, at, duration_ms, "run")


A, B, OTHER = _key("A", 0), _key("A", 1), _key("B", 0)


def test_spikes_without_a_record_are_due_in_the_order_of_minutes() -> None:
    planned = plan([B, OTHER, A], [], T0, HOUR)
    assert [attempt.key for attempt in planned.attempts] == [A, OTHER, B]
    assert {(attempt.number, attempt.is_last) for attempt in planned.attempts} == {(1, False)}
    assert planned.next_attempt_at is None


@pytest.mark.parametrize("outcome", ["delivered", "expired", "dead"])
def test_a_settled_spike_is_left_alone_and_holds_nothing_back(outcome: Outcome) -> None:
    planned = plan([A, B], [_row(A, 1, outcome)], T0, HOUR)
    assert [attempt.key for attempt in planned.attempts] == [B]


@pytest.mark.parametrize("outcome", ["failed", "unknown"])
def test_a_failed_spike_waits_five_seconds_after_its_end_and_its_symbol_with_it(outcome: Outcome) -> None:
    rows = [_row(A, 1, outcome, duration_ms=1_000)]
    early = plan([A, B, OTHER], rows, T0 + timedelta(seconds=5.999), HOUR)
    assert [attempt.key for attempt in early.attempts] == [OTHER]
    assert early.next_attempt_at == T0 + timedelta(seconds=6)
    due = plan([A, B], rows, T0 + timedelta(seconds=6), HOUR)
    assert [(attempt.key, attempt.number) for attempt in due.attempts] == [(A, 2), (B, 1)]


def test_a_spike_known_only_from_its_deliveries_is_still_retried() -> None:
    assert [each.key for each in plan([], [_row(A, 1, "failed")], T0 + HOUR, HOUR).attempts] == [A]


def test_the_attempt_after_the_last_wait_is_the_last() -> None:
    rows = [_row(A, number, "failed") for number in range(1, len(BACKOFF) + 1)]
    (attempt,) = plan([A], rows, T0 + timedelta(hours=2), HOUR).attempts
    assert (attempt.number, attempt.is_last) == (7, True)


def test_a_minute_older_than_the_limit_is_expired_once_and_never_posted() -> None:
    now = T0 + HOUR + timedelta(seconds=1)
    planned = plan([A], [], now, HOUR)
    assert (planned.attempts, planned.expired) == ((), (A,))
    again = plan([A], [expiry(A, now, "sensor")], now, HOUR)
    assert (again.attempts, again.expired) == ((), ())
    assert plan([A], [], T0 + HOUR, HOUR).expired == ()


@pytest.mark.parametrize("outcome", ["dead", "expired"])
def test_a_replayed_spike_is_due_at_once_with_a_full_backoff_whatever_its_age(outcome: Outcome) -> None:
    rows = [_row(A, 1, "failed"), _row(A, 2, outcome)]
    rows += replays([A.spike_id, A.spike_id], rows, T0 + 9 * HOUR, "replay")
    (attempt,) = plan([A], rows, T0 + 9 * HOUR, HOUR).attempts
    assert (attempt.number, attempt.is_last) == (4, False)
    rows.append(_row(A, 4, "failed", T0 + 9 * HOUR))
    assert plan([A], rows, T0 + 9 * HOUR, HOUR).next_attempt_at == T0 + 9 * HOUR + BACKOFF[0]
    rows.append(_row(A, 5, "dead", T0 + 9 * HOUR))
    assert plan([A], rows, T0 + 99 * HOUR, HOUR).attempts == ()


def test_what_cannot_be_replayed_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"A-0-volume is delivered; C was never attempted nor expired"):
        replays([A.spike_id, "C", B.spike_id], [_row(A, 1, "delivered"), _row(B, 1, "dead")], T0, "replay")


def test_a_spike_delivered_by_one_run_is_settled_though_another_failed_after() -> None:
    assert plan([A], [_row(A, 1, "delivered"), _row(A, 2, "failed")], T0 + HOUR, HOUR).attempts == ()


def test_a_failed_attempt_leaves_its_symbols_later_spikes_for_later() -> None:
    attempts = [(attempt, "") for attempt in plan([A, OTHER, B], [], T0, HOUR).attempts]
    posted: list[str] = []

    def post(spike_id: str, _body: str) -> DeliveryOutcome:
        posted.append(spike_id)
        return DeliveryOutcome("failed" if spike_id == A.spike_id else "delivered", 500, None, T0, 0)

    rows = list(dispatch(attempts, post, "run", budget_seconds=60, clock=lambda: 0.0))
    assert posted == [A.spike_id, OTHER.spike_id]
    assert [(row.key, row.outcome) for row in rows] == [(A, "failed"), (OTHER, "delivered")]


def test_no_post_is_started_after_the_budget() -> None:
    attempts = [(attempt, "") for attempt in plan([A, B], [], T0, HOUR).attempts]
    times = iter([0.0, 59.0, 60.0])
    answer = DeliveryOutcome("delivered", 204, None, T0, 0)
    rows = list(dispatch(attempts, lambda *_: answer, "run", budget_seconds=60, clock=lambda: next(times)))
    assert [row.key for row in rows] == [A]


keys = st.builds(_key, st.sampled_from("ABC"), st.integers(0, 5), st.sampled_from(["price", "volume"]))
answers = st.lists(st.sampled_from(["failed", "unknown", "delivered"]), max_size=40)


def _simulated(
    spikes: set[SpikeKey], answer: Callable[[], PostOutcome]
) -> tuple[list[tuple[datetime, Delivery]], list[Delivery]]:
    """Plan and dispatch until nothing is left, jumping from one due time to the next."""
    now, rows, posted = T0 + timedelta(minutes=6), list[Delivery](), list[tuple[datetime, Delivery]]()
    while True:
        planned = plan(spikes, rows, now, 100 * HOUR)
        moment = now

        def post(_id: str, _body: str, moment: datetime = moment) -> DeliveryOutcome:
            return DeliveryOutcome(answer(), None, None, moment, 250)

        done = list(dispatch([(each, "") for each in planned.attempts], post, "run", budget_seconds=60))
        rows += done
        posted += [(now, row) for row in done]
        if not done and planned.next_attempt_at is None:
            return posted, rows
        now = max(now, planned.next_attempt_at or now)


@given(st.sets(keys))
def test_with_a_receiver_that_works_each_spike_is_delivered_once_and_in_order(spikes: set[SpikeKey]) -> None:
    posted, _ = _simulated(spikes, lambda: "delivered")
    assert [row.key for _, row in posted] == sorted(spikes, key=lambda key: key.position)


@given(st.sets(keys), answers)
def test_whatever_the_receiver_answers_order_and_backoff_hold_and_each_spike_is_settled(
    spikes: set[SpikeKey], script: list[PostOutcome]
) -> None:
    remaining = iter(script)
    posted, rows = _simulated(spikes, lambda: next(remaining, "delivered"))
    for symbol in "ABC":
        order = [row.key.position for _, row in posted if row.key.symbol == symbol]
        assert order == sorted(order)
    for key in spikes:
        history = [(at, row) for at, row in posted if row.key == key]
        assert [row.attempt for _, row in history] == list(range(1, len(history) + 1))
        assert [row.outcome for _, row in history if row.outcome in ("delivered", "dead")] == [history[-1][1].outcome]
        assert len(history) <= len(BACKOFF) + 1
        for wait, (before, _), (after, _) in zip(BACKOFF, history, history[1:], strict=False):
            assert after - before >= wait
    assert len({(row.key.spike_id, row.attempt) for row in rows}) == len(rows)
