"""What dies when: a pure function of a seed and a number, so that both are all there is to tell of a failure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from firehose_dagster.simulator.fault_kinds import AnyFault, Delay, Duplicate, Reorder, Skip

LONGEST_WAIT_SECONDS = 4.0


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill: first a disturbance of the feed, then a wait, then SIGKILL to each target in order."""

    seed: int
    number: int
    disturbance: AnyFault
    wait_seconds: float
    targets: tuple[str, ...]


def planned_kill(seed: int, number: int, targets: Sequence[str], symbols: Sequence[str]) -> Kill:
    """The kill of this number. One in five hits two processes at once, one in five the same process again."""
    draw = random.Random(f"{seed}/{number}")
    some = tuple(draw.sample(list(symbols), 2))
    disturbances: tuple[AnyFault, ...] = (
        Duplicate(symbols=some, count=draw.randint(5, 50)),
        Reorder(symbols=some, count=draw.randint(5, 50), within_ms=500),
        Skip(symbols=some, count=draw.randint(1, 30)),
        Delay(symbols=some, seconds=draw.uniform(0.5, 3)),
    )
    first = draw.choice(list(targets))
    second = draw.choice([(), (), (), (draw.choice(list(targets)),), (first,)])
    return Kill(
        seed=seed,
        number=number,
        disturbance=draw.choice(disturbances),
        wait_seconds=round(draw.uniform(0, LONGEST_WAIT_SECONDS), 3),
        targets=(first, *second),
    )
