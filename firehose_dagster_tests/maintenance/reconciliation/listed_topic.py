"""A topic that is a list, as a reconciliation asks for it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from firehose_dagster.contracts.topic import OffsetRange, OutgoingRecord, TopicBounds, TopicRecord


@dataclass
class ListedTopic:
    """Values by partition, the first of each at `begins`; None stands for a record that is there no more."""

    values: dict[int, list[bytes | None]]
    begins: Mapping[int, int] = field(default_factory=dict)
    topic_id: str | None = None
    clock: datetime = datetime(2026, 1, 1, 9, tzinfo=UTC)
    """The broker's, which stands."""
    partition_of: Mapping[bytes | None, int] = field(default_factory=dict)
    published: list[OutgoingRecord] = field(default_factory=list)

    def bounds(self) -> TopicBounds:
        begins = {partition: self.begins.get(partition, 0) for partition in self.values}
        ends = {partition: begins[partition] + len(values) for partition, values in self.values.items()}
        return TopicBounds(begins, ends, self.topic_id)

    def records(self, ranges: Sequence[OffsetRange]) -> Iterator[TopicRecord]:
        for partition, first, end in sorted(ranges):
            begin = self.begins.get(partition, 0)
            for offset in range(first, end):
                value = self.values[partition][offset - begin]
                if value is not None:
                    yield TopicRecord(partition, offset, b"key", value, int(self.clock.timestamp() * 1_000))

    def publish(self, records: Sequence[OutgoingRecord]) -> int:
        for record in records:
            self.values[self.partition_of.get(record.key, 0)].append(record.value)
        self.published += records
        return len(records)
