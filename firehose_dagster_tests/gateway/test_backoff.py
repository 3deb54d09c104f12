"""Waits grow, are capped, and differ between clients."""

import random
from itertools import islice

from firehose_dagster.gateway.backoff import backoff_seconds


def test_waits_double_up_to_the_cap_and_lie_in_the_upper_half() -> None:
    waits = list(islice(backoff_seconds(1, 8, random.Random(3)), 6))
    assert all(ceiling / 2 <= wait <= ceiling for wait, ceiling in zip(waits, (1, 2, 4, 8, 8, 8), strict=True))


def test_two_clients_do_not_wait_alike() -> None:
    first, second = (list(islice(backoff_seconds(random_unit=random.Random(seed)), 5)) for seed in (1, 2))
    assert first != second


def test_the_first_wait_is_within_the_cap_too() -> None:
    assert max(islice(backoff_seconds(1, 0.25), 5)) <= 0.25
