"""The topic as those see it who compare it with the tables: its bounds, its records, and what is to be put into it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class TopicBounds:
    """First offset still there and the offset after the last one, of each partition, at one moment."""

    begins: Mapping[int, int]
    ends: Mapping[int, int]
    topic_id: str | None
    """What the broker calls the topic, whatever its name; None where it does not say."""


class OffsetRange(NamedTuple):
    """Offsets of one partition from `first` up to, without, `end`."""

    partition: int
    first: int
    end: int


class TopicRecord(NamedTuple):
    """A record as it lies in the topic."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    timestamp_ms: int
    """The broker's, epoch milliseconds."""


class OutgoingRecord(NamedTuple):
    """A record for the topic; its key decides the partition, None: any."""

    key: bytes | None
    value: bytes | None
