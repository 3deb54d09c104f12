"""No window of time sees more than the limit, and nobody waits longer than that asks for."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.pace import Pace

WINDOW = 5


@given(st.integers(1, 4), st.lists(st.integers(0, 7), max_size=40))
def test_no_window_sees_more_than_the_limit(limit: int, pauses: list[int]) -> None:
    pace, now, sent = Pace(limit, WINDOW), 0.0, list[float]()
    for pause in pauses:
        now += pause
        now += pace.wait_seconds(now)
        pace.note(now)
        sent.append(now)
    for start in sent:
        assert sum(start <= each < start + WINDOW for each in sent) <= limit


@given(st.integers(1, 4), st.lists(st.integers(0, 7), min_size=1, max_size=40))
def test_a_wait_is_no_longer_than_it_must_be(limit: int, pauses: list[int]) -> None:
    pace, now, sent = Pace(limit, WINDOW), 0.0, list[float]()
    for pause in pauses:
        now += pause
        wait = pace.wait_seconds(now)
        # A moment earlier the window would hold the limit already.
        assert wait == 0 or sum(now + wait - 1 - WINDOW < each for each in sent) >= limit
        now += wait
        pace.note(now)
        sent.append(now)


def test_a_pace_that_allows_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one event"):
        Pace(0, 1)
