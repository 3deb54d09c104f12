"""A clock is called wrong only where the exchange's answer proves it."""

import pytest

from firehose_dagster.gateway.clock_check import clock_problem

SECOND = 1_000_000


@pytest.mark.parametrize(
    ("ahead_seconds", "trip_seconds", "problem"),
    [
        (0, 0, None),
        (-4, 0, None),
        (-4.1, 0, "this machine's clock is 4.1 s behind the exchange's"),
        (-4.1, 1, None),
        (-185, 0.2, "this machine's clock is 3 min 5 s behind the exchange's"),
        (60, 0, None),
        (61, 0, "this machine's clock is 1 min 1 s ahead of the exchange's"),
        (61, 4, None),
    ],
)
def test_what_is_wrong_with_a_clock(ahead_seconds: float, trip_seconds: float, problem: str | None) -> None:
    server_time_us = 1_000_000 * SECOND
    half_way_us = server_time_us + int(ahead_seconds * SECOND)
    half_trip_us = int(trip_seconds / 2 * SECOND)
    assert clock_problem(half_way_us - half_trip_us, server_time_us, half_way_us + half_trip_us) == problem
