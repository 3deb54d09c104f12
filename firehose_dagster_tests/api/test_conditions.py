"""Pruning never leaves out a file with a row that is wanted; cursors and windows."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.api.conditions import Condition, DataFile, Operator, pruned
from firehose_dagster.api.paging import CursorError, Place, Scope, Window

_MEETS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda value, wanted: value == wanted,
    "<": lambda value, wanted: value < wanted,
    "<=": lambda value, wanted: value <= wanted,
    ">": lambda value, wanted: value > wanted,
    ">=": lambda value, wanted: value >= wanted,
    "in": lambda value, wanted: value in wanted,
}
_NEWEST_END = datetime(2026, 1, 5, 12, 31, tzinfo=UTC)


@given(st.lists(st.integers(0, 20), min_size=1), st.sampled_from(sorted(_MEETS)), st.integers(0, 20))
def test_a_file_that_holds_a_wanted_row_is_read(values: list[int], operator: Operator, number: int) -> None:
    wanted = [number, number + 3] if operator == "in" else number
    file = DataFile("f", {"n": (min(values), max(values))})
    if any(_MEETS[operator](value, wanted) for value in values):
        assert pruned([file], [Condition("n", operator, wanted)]) == [file]


@pytest.mark.parametrize(
    ("operator", "wanted", "is_read"),
    [
        *[("=", 4, False), ("=", 5, True), ("=", 9, True), ("=", 10, False), ("<", 5, False), ("<=", 5, True)],
        *[(">", 9, False), (">=", 9, True), ("in", [1, 10], False), ("in", [1, 7], True)],
    ],
)
def test_a_file_that_cannot_is_not(operator: Operator, wanted: object, is_read: bool) -> None:
    file = DataFile("f", {"n": (5, 9)})
    assert bool(pruned([file], [Condition("n", operator, wanted)])) is is_read


def test_a_column_without_bounds_leaves_nothing_out() -> None:
    file = DataFile("f", {})
    assert pruned([file], [Condition("n", "=", 1)]) == [file]


@given(st.lists(st.text(), max_size=3), st.none() | st.datetimes(timezones=st.just(UTC)))
def test_a_cursor_gives_its_place_back(position: list[str], since: datetime | None) -> None:
    scope, place = Scope("minutes|A"), Place(position, since)
    assert scope.place(scope.cursor(place), len(position)) == place


@given(st.text())
def test_any_other_text_is_no_cursor(text: str) -> None:
    with pytest.raises(CursorError):
        Scope("minutes|A").place(text, 1)


def test_a_cursor_of_other_parameters_is_refused() -> None:
    with pytest.raises(CursorError, match="other parameters"):
        Scope("minutes|A").place(Scope("minutes|B").cursor(Place(["x"], None)), 1)


def test_a_window_is_as_asked_and_by_default_ends_with_what_is_held() -> None:
    day = timedelta(days=1)
    start, end = _NEWEST_END - timedelta(hours=2), _NEWEST_END - timedelta(hours=1)
    assert Window.of(start, end, _NEWEST_END, day) == Window(start, end)
    assert Window.of(start, None, _NEWEST_END, day) == Window(start, None)
    assert Window.of(None, end, _NEWEST_END, day) == Window(end - day, end)
    assert Window.of(None, None, _NEWEST_END, day) == Window(_NEWEST_END - day, None)
    assert Window.of(None, _NEWEST_END + day, _NEWEST_END, day) == Window(_NEWEST_END - day, _NEWEST_END + day)
    assert Window.of(None, None, None, day) == Window(None, None)
