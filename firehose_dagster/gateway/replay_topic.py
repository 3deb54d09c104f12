"""The topic for who compares it with the lake: its bounds, single records of it, and records that it gets again."""

import logging
import threading
import time
from collections.abc import Iterator, Sequence
from itertools import groupby

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from firehose_dagster.contracts.topic import OffsetRange, OutgoingRecord, TopicBounds, TopicRecord
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.gateway.errors import TopicError
from firehose_dagster.gateway.passing_trouble import passes
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

REQUEST_SECONDS = 10.0
SILENCE_SECONDS = 30.0
"""A broker that gives neither a record nor the end of the partition for so long is not waited for."""
SKIPPED_OFFSETS = 5_000
"""Ranges that lie closer are read in one go: a seek costs a round trip, records between are thrown away."""
_BATCH_MESSAGES = 1_000


class ReplayTopic:
    """The topic of the settings. Not safe for threads."""

    def __init__(self, settings: Settings, halt: threading.Event) -> None:
        """`halt` ends reading and publishing early, between two records."""
        self._settings = settings
        self._halt = halt
        self._publisher: ConfirmedPublisher | None = None

    def bounds(self) -> TopicBounds:
        """As they are now. Raises TopicError where the broker does not answer or has no such topic."""
        name = self._settings.topic
        consumer = self._consumer()
        try:
            topic = consumer.list_topics(name, timeout=REQUEST_SECONDS).topics[name]
            if topic.error is not None or not topic.partitions:
                raise TopicError(
                    f"topic {name} is not there at {self._settings.bootstrap_servers}: the gateway makes it; start it, "
                    "or correct FIREHOSE_TOPIC"
                )
            bounds = {
                partition: consumer.get_watermark_offsets(TopicPartition(name, partition), timeout=REQUEST_SECONDS)
                for partition in topic.partitions
            }
            topic_id = self._topic_id()
        except KafkaException as error:
            raise self._unusable(error) from error
        finally:
            consumer.close()
        return TopicBounds(
            begins={partition: low for partition, (low, _) in bounds.items()},
            ends={partition: high for partition, (_, high) in bounds.items()},
            topic_id=topic_id,
        )

    def records(self, ranges: Sequence[OffsetRange]) -> Iterator[TopicRecord]:
        """Those of the records at these offsets that the topic still has, by partition and offset.

        Raises TopicError where the broker does not answer.
        """
        consumer = self._consumer()
        try:
            for partition, of_partition in groupby(sorted(ranges), key=lambda each: each.partition):
                yield from self._records_of(consumer, partition, list(of_partition))
        except KafkaException as error:
            raise self._unusable(error) from error
        finally:
            consumer.close()

    def publish(self, records: Sequence[OutgoingRecord]) -> int:
        """Put them into the topic; how many Kafka confirmed when this returns."""
        if self._publisher is None:
            self._publisher = ConfirmedPublisher(self._settings, self._halt)
        return self._publisher.publish_records(records)

    def _records_of(self, consumer: Consumer, partition: int, wanted: list[OffsetRange]) -> Iterator[TopicRecord]:
        place, told = 0, -1
        consumer.assign([TopicPartition(self._settings.topic, partition, wanted[0].first)])
        for record in self._fetched(consumer):
            offset = record.offset
            before = place
            while place < len(wanted) and wanted[place].end <= offset:
                place += 1
            if place == len(wanted):
                return
            if offset >= wanted[place].first:
                # What was fetched before a jump may come again behind it.
                if offset > told:
                    told = offset
                    yield record
            elif place > before and wanted[place].first - offset > SKIPPED_OFFSETS:
                consumer.assign([TopicPartition(self._settings.topic, partition, wanted[place].first)])

    def _fetched(self, consumer: Consumer) -> Iterator[TopicRecord]:
        """What the consumer is assigned to, to the partition's end; goes on where it was assigned anew."""
        heard_at = time.monotonic()
        while not self._halt.is_set():
            for message in consumer.consume(_BATCH_MESSAGES, timeout=1.0):
                error = message.error()
                if error is None:
                    yield _record(message)
                    heard_at = time.monotonic()
                elif error.code() == KafkaError._PARTITION_EOF:
                    return
                elif not passes(error):
                    raise KafkaException(error)
            if time.monotonic() - heard_at > SILENCE_SECONDS:
                raise TopicError(
                    f"topic {self._settings.topic} at {self._settings.bootstrap_servers} gave nothing for "
                    f"{SILENCE_SECONDS:.0f} s; see whether the broker works, and run it again"
                )

    def _consumer(self) -> Consumer:
        return Consumer(
            {
                "bootstrap.servers": self._settings.bootstrap_servers,
                "group.id": "firehose-reconciliation",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "auto.offset.reset": "earliest",
                "fetch.wait.max.ms": 50,
                "log_level": 2,
            }
        )

    def _topic_id(self) -> str | None:
        name = self._settings.topic
        admin = AdminClient({"bootstrap.servers": self._settings.bootstrap_servers, "log_level": 2})
        described = admin.describe_topics(TopicCollection([name]), request_timeout=REQUEST_SECONDS)
        uuid = described[name].result().topic_id
        known = uuid is not None and (uuid.get_most_significant_bits(), uuid.get_least_significant_bits()) != (0, 0)
        return str(uuid) if known else None

    def _unusable(self, error: KafkaException) -> TopicError:
        return TopicError(
            f"topic {self._settings.topic} cannot be read at {self._settings.bootstrap_servers}: "
            f"{error.args[0].str()}; start the installation, or correct FIREHOSE_KAFKA_BOOTSTRAP"
        )


def _record(message: Message) -> TopicRecord:
    partition, offset = message.partition(), message.offset()
    assert partition is not None and offset is not None  # noqa: S101, PT018 - it came from the topic
    _, timestamp_ms = message.timestamp()
    return TopicRecord(partition, offset, message.key(), message.value(), timestamp_ms)
