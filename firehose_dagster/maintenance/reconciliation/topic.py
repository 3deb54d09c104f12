"""The topic of a reconciliation: what is asked of it, whether it is the lake's, and whether the stream has taken it."""

import threading
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.topic import OffsetRange, OutgoingRecord, TopicBounds, TopicRecord
from firehose_dagster.errors import ExplainedError
from firehose_dagster.maintenance.reconciliation.lake import LoadedLake, load_lake

_LOOK_EVERY_SECONDS = 1.0


class TopicMadeAnewError(ExplainedError):
    """The topic is not the one that the lake was filled from."""


class Topic(Protocol):
    """What a reconciliation needs of the topic."""

    def bounds(self) -> TopicBounds:
        """As they are now."""

    def records(self, ranges: Sequence[OffsetRange]) -> Iterator[TopicRecord]:
        """Those of the records at these offsets that it still has, by partition and offset."""

    def publish(self, records: Sequence[OutgoingRecord]) -> int:
        """Put them in; how many are confirmed when this returns."""


def require_same_topic(lake: LoadedLake, bounds: TopicBounds) -> None:
    """Raises TopicMadeAnewError where the offsets that the lake holds mean other records now."""
    held = {} if lake.bronze_position is None else lake.bronze_position.offsets
    beyond = {partition: end for partition, end in held.items() if end > bounds.ends.get(partition, 0)}
    if beyond:
        told = ", ".join(f"partition {each} up to {end}" for each, end in sorted(beyond.items()))
        raise TopicMadeAnewError(
            f"the lake holds more than the topic ever had ({told}): the topic was made anew or its log was lost; use a "
            "new home, or a topic of a new name"
        )
    other = sorted(each for each in lake.topic_ids if bounds.topic_id is not None and each != bounds.topic_id)
    if other:
        raise TopicMadeAnewError(
            f"the topic was made anew: the lake was filled from the one with id {other[0]}, the broker now has "
            f"{bounds.topic_id}; use a new home, or a topic of a new name"
        )


def records_not_taken(catalog: Catalog, bounds: TopicBounds, patience_seconds: float, stop: threading.Event) -> int:
    """How many of the topic's records silver has not taken, when it has taken all, or patience or `stop` ends."""
    until = time.monotonic() + patience_seconds
    while True:
        position = load_lake(catalog).position
        taken = {} if position is None else position.offsets
        waiting = sum(
            max(0, end - max(taken.get(partition, 0), bounds.begins[partition]))
            for partition, end in bounds.ends.items()
        )
        if waiting == 0 or time.monotonic() >= until or stop.wait(_LOOK_EVERY_SECONDS):
            return waiting
