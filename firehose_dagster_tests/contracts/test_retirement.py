"""Hours as the fewest ranges, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.contracts.retirement import from_text, hours_of, to_ranges, to_text


@given(st.sets(st.integers(0, 60)))
def test_text_gives_back_the_hours(hours: set[int]) -> None:
    assert hours_of(from_text(to_text(hours))) == hours


def test_neighbours_are_one_range() -> None:
    assert to_ranges([5, 3, 4, 9]) == ((3, 5), (9, 9))
    assert to_text([5, 3, 4, 9]) == "[[3,5],[9,9]]"
    assert from_text(None) == from_text("") == ()


@pytest.mark.parametrize("text", ["{}", "[[1]]", '[["a", 2]]', "[1, 2]"])
def test_other_text_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="no list of hours"):
        from_text(text)
