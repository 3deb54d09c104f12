"""Watchdogs on simulated time: silence is judged by the usual rate, and patience grows while nothing changes."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.gateway.silence import CONNECTION_TOLERANCE, SYMBOL_TOLERANCE, SilenceWatch, Tolerance
from firehose_dagster.gateway.symbol_watch import LOOK_EVERY_SECONDS, MAX_DUE_PER_LOOK, SymbolWatch


def _steady(rate: float, seconds: int, tolerance: Tolerance = CONNECTION_TOLERANCE) -> SilenceWatch:
    """A source that brought `rate` trades a second from 0 to `seconds`."""
    watch = SilenceWatch(tolerance, 0)
    for second in range(seconds + 1):
        watch.note(int(rate * second), second)
    return watch


@pytest.mark.parametrize(
    ("rate", "allowed_seconds"),
    [(100, 15), (2, 15), (1, 30), (0.1, 300), (0.01, 900)],
    ids=["the shortest", "still the shortest", "30 mean gaps", "30 mean gaps of 10 s", "the longest"],
)
def test_a_connection_may_be_silent_for_thirty_of_its_usual_gaps(rate: float, allowed_seconds: float) -> None:
    watch = _steady(rate, 2_000)
    assert watch.usual_rate == pytest.approx(rate, rel=0.05)
    assert watch.allowed_seconds == pytest.approx(allowed_seconds, rel=0.05)
    last_trade_at = 2_000 - 2_000 % (1 / rate)
    assert not watch.is_too_long(last_trade_at + 0.9 * allowed_seconds)
    assert watch.is_too_long(last_trade_at + 1.2 * allowed_seconds)


def test_a_connection_that_never_delivered_is_called_mute_after_a_minute() -> None:
    watch = SilenceWatch(CONNECTION_TOLERANCE, 0)
    for second in range(61):
        watch.note(0, second)
        assert not watch.is_too_long(second)
    assert watch.is_too_long(61)


def test_patience_doubles_with_each_look_in_vain_up_to_a_bound_and_ends_with_the_next_trade() -> None:
    watch, now, waits = _steady(10, 1_000), 1_000, list[int]()
    for _ in range(9):
        start = now
        while not watch.is_too_long(now):
            now += 1
        waits.append(now - start)
        watch.be_patient(now)
    assert waits == [16, 31, 61, 121, 241, 481, 481, 481, 481]
    watch.note(10_001, now)
    assert not watch.is_too_long(now + 15)
    assert watch.is_too_long(now + 31)


def test_a_new_connection_is_given_its_time_and_counts_from_nothing() -> None:
    watch = _steady(10, 1_000)
    watch.restart(1_010)
    watch.note(0, 1_010)
    watch.note(3, 1_020)
    assert not watch.is_too_long(1_034)
    assert watch.is_too_long(1_036)
    assert watch.usual_rate == pytest.approx(10, rel=0.1)


@given(st.integers(0, 10**6), st.floats(0.05, 200))
def test_random_arrivals_at_a_steady_rate_are_never_called_silence(seed: int, rate: float) -> None:
    source, now, watch = random.Random(seed), 0.0, SilenceWatch(CONNECTION_TOLERANCE, 0)
    for count in range(1, 300):
        now += min(source.expovariate(rate), 25 / rate)
        assert count < 100 or not watch.is_too_long(now)
        watch.note(count, now)


def _nothing_known(_: str) -> None:
    return None


def test_a_symbol_that_falls_silent_among_others_is_asked_about_with_its_last_id() -> None:
    watch, ids = SymbolWatch(["BTCUSDT", "ETHUSDT"], 0), {"BTCUSDT": 100, "ETHUSDT": 500}
    asked: list[tuple[float, str, int]] = []
    for second in range(0, 1_000, 5):
        ids["BTCUSDT"] += 10
        if second < 500:
            ids["ETHUSDT"] += 10
        asked += [(second, *each) for each in watch.due(second, lambda: ids, _nothing_known)]
    # 2 a second: 50 mean gaps are 25 s, and at least a minute is given; then two, then four.
    assert asked == [(560, "ETHUSDT", 1_500), (685, "ETHUSDT", 1_500), (930, "ETHUSDT", 1_500)]


def test_a_symbol_known_from_the_lake_is_asked_about_though_it_never_came() -> None:
    watch = SymbolWatch(["QUIETUSDT", "NEWUSDT"], 0)
    known = {"QUIETUSDT": 42}
    asked = [(second, each) for second in range(0, 200, 5) for each in watch.due(second, dict, known.get)]
    assert asked == [(65, ("QUIETUSDT", 42)), (190, ("QUIETUSDT", 42))]


def test_after_a_reconnect_every_silent_symbol_is_asked_about_soon_again() -> None:
    watch = SymbolWatch(["QUIETUSDT"], 0)
    known = {"QUIETUSDT": 42}
    for second in range(0, 500, 5):
        watch.due(second, dict, known.get)
    watch.restart(500)
    asked = [second for second in range(500, 600, 5) if watch.due(second, dict, known.get)]
    assert asked == [565]


def test_a_thousand_silent_symbols_are_asked_about_a_few_at_a_time_each_once() -> None:
    symbols = [f"S{number}USDT" for number in range(1_000)]
    watch, known = SymbolWatch(symbols, 0), dict.fromkeys(symbols, 7)
    asked: list[str] = []
    for look in range(50):
        found = watch.due(70 + look * LOOK_EVERY_SECONDS, dict, known.get)
        assert len(found) <= MAX_DUE_PER_LOOK
        asked += [symbol for symbol, _ in found]
    assert set(asked) == set(symbols)


def test_one_symbol_is_given_a_minute_at_least() -> None:
    assert _steady(1_000, 600, SYMBOL_TOLERANCE).allowed_seconds == 60
