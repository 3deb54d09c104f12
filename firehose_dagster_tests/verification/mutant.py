"""What a mutant of a lake is: damage of one kind, hit by a number, and what `verify` must say of it."""

import random
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeVar

from firehose_dagster_tests.verification.stored_lake import StoredLake

Option = TypeVar("Option")


class Finding(NamedTuple):
    """What `verify` must say of a mutant: the check that fails, and what and where."""

    check: str
    told: str


class Draw(random.Random):
    """Which row is hit is by chance, which kind of row in turn, so that a few seeds reach them all."""

    def __init__(self, kind: str, number: int) -> None:
        super().__init__(f"{kind}/{number}")
        self._number = number

    def in_turn(self, options: Sequence[Option]) -> Option:
        """The next one at each number."""
        return options[self._number % len(options)]


Mutate = Callable[[StoredLake, Draw], Finding]
