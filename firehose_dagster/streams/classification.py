"""Which valid rows of a batch are new, exact duplicates or conflicts. Pure: rows in, verdicts out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import NamedTuple


class TradeKey(NamedTuple):
    """The identity of a trade."""

    symbol: str
    agg_id: int


class TradeContent(NamedTuple):
    """What makes two rows of one id the same trade. How and when a row came is no content, and neither are the
    microseconds of the trade time, which a source in milliseconds does not know."""

    price: Decimal
    qty: Decimal
    first_trade_id: int
    last_trade_id: int
    is_buyer_maker: bool
    trade_time_ms: int


class Coordinates(NamedTuple):
    """A Kafka record of the topic."""

    kafka_partition: int
    kafka_offset: int


class Suspect(NamedTuple):
    """A valid row whose id may be held already, or stand twice in the batch."""

    coordinates: Coordinates
    key: TradeKey
    content: TradeContent


@dataclass(frozen=True, slots=True)
class Verdicts:
    """The suspects that are not new. Every other suspect is."""

    duplicates: Sequence[Coordinates]
    conflicts: Sequence[Coordinates]

    @property
    def excluded(self) -> Sequence[Coordinates]:
        """What must not go to silver."""
        return [*self.duplicates, *self.conflicts]


def classify(suspects: Iterable[Suspect], held: Mapping[TradeKey, TradeContent]) -> Verdicts:
    """Judge suspects in the order of their coordinates: the first row of an id stays, held before any of the batch.

    `held` must contain the content of every suspect's id that silver holds.
    """
    first_content = dict(held)
    duplicates: list[Coordinates] = []
    conflicts: list[Coordinates] = []
    for suspect in sorted(suspects, key=lambda row: row.coordinates):
        content = first_content.setdefault(suspect.key, suspect.content)
        if content is suspect.content:
            continue
        (duplicates if content == suspect.content else conflicts).append(suspect.coordinates)
    return Verdicts(duplicates=duplicates, conflicts=conflicts)
