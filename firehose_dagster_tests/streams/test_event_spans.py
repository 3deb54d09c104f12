"""Many minutes become few spans that hold them all and leave out the widest gaps."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.streams.event_spans import minute_spans


@pytest.mark.parametrize(
    ("most", "spans"),
    [
        (5, [range(1, 3), range(5, 6), range(90, 91)]),
        (2, [range(1, 6), range(90, 91)]),
        (1, [range(1, 91)]),
    ],
)
def test_the_widest_gaps_are_left_out_first(most: int, spans: list[range]) -> None:
    assert minute_spans([90, 1, 2, 5, 2], most) == spans


def test_no_minute_has_no_span() -> None:
    with pytest.raises(ValueError, match="no minute was given"):
        minute_spans([], 3)


@given(st.sets(st.integers(0, 300), min_size=1), st.integers(1, 20))
def test_the_spans_hold_all_minutes_and_as_few_others_as_their_number_allows(minutes: set[int], most: int) -> None:
    spans = minute_spans(minutes, most)
    held = {minute for span in spans for minute in span}
    assert minutes <= held
    assert len(spans) <= most
    assert all(before.stop < after.start for before, after in pairwise(spans))
    gaps = sorted((after - before - 1 for before, after in pairwise(sorted(minutes))), reverse=True)
    assert len(held - minutes) == sum(gaps[most - 1 :])
