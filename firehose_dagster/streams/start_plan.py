"""Where the query must start, so that nothing is read twice or missed: from what the tables say, and the topic has."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from firehose_dagster.contracts.position import Position
from firehose_dagster.streams.topic_offsets import TopicOffsets, TopicUnusableError

_EARLIEST = -2
"""Spark's word for a partition's first offset."""


@dataclass(frozen=True, slots=True)
class StartPlan:
    """What to do before the query starts, and where it starts."""

    needs_bronze: bool
    """The topic has lost records that bronze holds and silver does not: they are taken from there first."""
    offsets: Mapping[int, int]
    """First offset to read of each partition; -2: the first there is."""
    lost: Mapping[int, tuple[int, int]]
    """First offset and the one after the last, of each partition that lost records that no table holds."""

    def starting_offsets(self, topic: str) -> str:
        """The option `startingOffsets` of Spark's Kafka source."""
        return json.dumps({topic: {str(partition): offset for partition, offset in sorted(self.offsets.items())}})


def plan_start(silver: Position, bronze: Position, topic: TopicOffsets, held_topic_ids: Collection[str]) -> StartPlan:
    """Start behind what silver holds. Pure.

    `held_topic_ids` are what the tables were told; none where they were not. Raises ``TopicUnusableError`` where the
    topic is not the one that the tables were filled from.
    """
    other = sorted(each for each in held_topic_ids if topic.topic_id is not None and each != topic.topic_id)
    if other:
        raise TopicUnusableError(
            f"topic {silver.topic} was made anew: the lake was filled from the one with id {other[0]}, the broker "
            f"now has {topic.topic_id}, and its offsets mean other records; use a new home, or a topic of a new name"
        )
    needs_bronze = False
    offsets: dict[int, int] = {}
    lost: dict[int, tuple[int, int]] = {}
    for partition, held in sorted(silver.advanced(bronze.offsets).offsets.items()):
        end = topic.ends.get(partition)
        if end is None or held > end:
            raise TopicUnusableError(
                f"the lake holds {silver.topic} partition {partition} up to offset {held}, "
                f"but the topic ends at {end}: the topic was made anew or its log was lost; use a new home"
            )
        begin, in_silver = topic.begins[partition], silver.offsets.get(partition, 0)
        needs_bronze |= in_silver < min(begin, held)
        if held < begin:
            lost[partition] = (held, begin)
        offsets[partition] = max(in_silver, begin)
    never_read = {partition: _EARLIEST for partition in topic.ends if partition not in offsets}
    return StartPlan(needs_bronze=needs_bronze, offsets={**offsets, **never_read}, lost=lost)
