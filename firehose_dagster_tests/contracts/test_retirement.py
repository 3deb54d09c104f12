"""Hours as the fewest ranges, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.contracts.retirement import (
    from_text,
    hours_of,
    kept_from_text,
    kept_to_text,
    to_ranges,
    to_text,
)


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


def test_kept_rows_are_told_of_the_hours_that_kept_some() -> None:
    assert kept_to_text({490_906: 3, 490_905: 0, 7: 1}) == '{"7":1,"490906":3}'
    assert kept_from_text('{"7":1,"490906":3}') == {7: 1, 490_906: 3}
    assert kept_from_text(None) == {}
    with pytest.raises(ValueError, match="does not tell rows by hour"):
        kept_from_text("[7]")
