"""Where a table stands in the topic: the stamp that every commit of the stream leaves in its snapshot summary.

A table's newest stamped snapshot says which offsets it holds, so a replayed batch is recognised by reading, with or
without a checkpoint. Bronze, silver and quarantine stamp `OFFSETS`; gold stamps the silver snapshot it came from.
"""

import json
from collections.abc import Mapping
from typing import Self

import msgspec

QUERY_ID = "firehose.query-id"
BATCH_ID = "firehose.batch-id"
OFFSETS = "firehose.offsets"
"""JSON of `Position`."""
OFFSETS_BEFORE = "firehose.offsets-before"
"""JSON of the `Position` from which the commit was planned; the commit before it left that, if nobody came between."""
AUDIT = "firehose.audit"
"""On silver: the batch's audit row as JSON, from which `ops_audit` is rebuilt after a crash."""
WATERMARK = "firehose.watermark-us"
"""On silver, and on ops_completeness of that silver: highest event_ts held minus the lateness allowed, epoch
microseconds."""
TOPIC_ID = "firehose.topic-id"
"""On bronze and silver: what the broker calls the topic; one that was made anew under the old name has another."""
SILVER_SNAPSHOT = "firehose.silver-snapshot-id"
"""On gold and ops_completeness: the silver snapshot that their rows are a function of."""
SILVER_SEQUENCE = "firehose.silver-sequence-number"
"""On ops_completeness: the sequence number of that snapshot, which outlives it."""
HOLES_SNAPSHOT = "firehose.exchange-holes-snapshot-id"
"""On gold and ops_completeness: the snapshot of ops_exchange_holes that they are a function of; absent: of no hole."""

OFFSETS_LOST = "incident:offsets_lost"
"""Kind of a row of `ops_audit`: records that the topic lost before any table had them."""
ROWS_LOST = "incident:rows_lost"
"""Kind of a row of `ops_audit`: records that a micro-batch took into bronze, silver or quarantine, and that are gone
from there. The row takes them back by negative counts; its detail names their offsets."""
REBUILD = "rebuild:silver"
"""Kind of a row of `ops_audit`: silver was emptied, so that earlier micro-batches tell of it no more."""


class Position(msgspec.Struct, frozen=True):
    """For each partition of `topic`, the offset after the last one held. Partitions not named were never read."""

    topic: str
    offsets: Mapping[int, int]

    def to_json(self) -> str:
        """As Spark's Kafka source writes offsets: `{"topic":{"0":17}}`, partitions in order."""
        return json.dumps(
            {self.topic: {str(partition): self.offsets[partition] for partition in sorted(self.offsets)}},
            separators=(",", ":"),
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The inverse of `to_json`. Raises ValueError where the text names no topic, or several."""
        topics = json.loads(text)
        if not isinstance(topics, dict) or len(topics) != 1:
            raise ValueError(f"a position names one topic, this one does not: {text}")
        ((topic, offsets),) = topics.items()
        return cls(topic=topic, offsets={int(partition): int(offset) for partition, offset in offsets.items()})

    def advanced(self, ends: Mapping[int, int]) -> "Position":
        """This position moved on to `ends`, partition by partition, never back."""
        return Position(
            topic=self.topic,
            offsets={
                partition: max(self.offsets.get(partition, 0), ends.get(partition, 0))
                for partition in {*self.offsets, *ends}
            },
        )

    def covers(self, ends: Mapping[int, int]) -> bool:
        """Whether everything before `ends` is held."""
        return all(self.offsets.get(partition, 0) >= end for partition, end in ends.items())
