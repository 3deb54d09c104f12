"""The answer that proves absence is found wherever an id below exists, in few requests."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.frames import RestTrade
from firehose_dagster.gateway.answer_from_below import answer_from_below
from firehose_dagster_tests.gateway.rest_trades import trades


def _ask(existing: list[int], first: int) -> tuple[list[int], list[int]]:
    """The ids of the answer, and the ids asked from."""
    asked: list[int] = []

    def ask(from_id: int) -> list[RestTrade]:
        asked.append(from_id)
        return trades([agg_id for agg_id in existing if agg_id >= from_id][:1_000])

    return [row.agg_id for row in answer_from_below(ask, first)], asked


@given(st.integers(0, 20_000), st.integers(0, 6_000), st.integers(0, 30_000), st.integers(0, 5_000), st.booleans())
def test_it_holds_the_nearest_id_below_and_the_next_one(
    oldest: int, below: int, width: int, above: int, is_sparse: bool
) -> None:
    first = oldest + below + width
    step = 7 if is_sparse else 1
    existing = [*range(oldest, oldest + below, step), *range(first + 3, first + 3 + above)]
    answer, asked = _ask(existing, first)
    assert len(asked) <= 3 + 17, "17 halvings of 60,000"
    lower, higher = [each for each in existing if each < first], [each for each in existing if each >= first]
    if lower and higher:
        assert {lower[-1], higher[0]} <= set(answer)
    else:
        assert answer[:1] in (higher[:1], lower[-1:], []), "nothing is behind, or nothing below"
        assert len(asked) <= 3 or not higher


@pytest.mark.parametrize(
    ("existing", "first", "asked"),
    [
        ([1, 4], 2, [1]),
        ([1, 2_000], 900, [899, 0]),
        ([500, 2_000], 1_200, [1_199, 201]),
        ([5_000], 4_000, [3_999, 3_001, 0]),
        ([7], 0, [0]),
        ([7], 1, [0]),
        ([], 5, [4]),
    ],
    ids=["the id before", "near the first id", "within a thousand", "nothing below", "id 0", "id 1", "nothing at all"],
)
def test_requests_by_hand(existing: list[int], first: int, asked: list[int]) -> None:
    assert _ask(existing, first)[1] == asked
