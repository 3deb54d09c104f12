"""How long to wait before trying again: capped exponential, jittered so that many clients do not return at once."""

import random
from collections.abc import Iterator

FIRST_SECONDS = 0.5
CAP_SECONDS = 30.0


def backoff_seconds(
    first: float = FIRST_SECONDS, cap: float = CAP_SECONDS, random_unit: random.Random | None = None
) -> Iterator[float]:
    """Endless waits: the nth lies between half of and all of ``min(cap, first * 2**n)`` seconds."""
    source = random_unit or random.Random()  # noqa: S311 - jitter, no secret
    ceiling = min(cap, first)
    while True:
        yield ceiling * (0.5 + source.random() / 2)
        ceiling = min(cap, ceiling * 2)
