"""Where the topic begins and ends now, as the broker says."""

import logging
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from firehose_dagster.contracts.position import Position
from firehose_dagster.errors import ExplainedError
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

_REQUEST_TIMEOUT_SECONDS = 10.0


class TopicUnusableError(ExplainedError):
    """The topic is not there, or is not the one that the lake was filled from."""


@dataclass(frozen=True, slots=True)
class TopicOffsets:
    """First offset still there, and the offset after the last one, of each partition."""

    begins: Mapping[int, int]
    ends: Mapping[int, int]
    topic_id: str | None = None
    """What the broker calls the topic, whatever its name; None where it does not say."""

    def records_behind(self, position: Position) -> int:
        """How many records lie behind the position."""
        return sum(
            end - max(position.offsets.get(partition, 0), self.begins[partition])
            for partition, end in self.ends.items()
        )


def read_offsets(settings: Settings) -> TopicOffsets | None:
    """The topic's bounds now; None where there is no such topic. Raises KafkaException where no broker answers."""
    consumer = Consumer(
        {"bootstrap.servers": settings.bootstrap_servers, "group.id": "firehose-offsets", "enable.auto.commit": False}
    )
    try:
        topic = consumer.list_topics(settings.topic, timeout=_REQUEST_TIMEOUT_SECONDS).topics[settings.topic]
        if topic.error is not None or not topic.partitions:
            return None
        bounds = {
            partition: consumer.get_watermark_offsets(
                TopicPartition(settings.topic, partition), timeout=_REQUEST_TIMEOUT_SECONDS
            )
            for partition in topic.partitions
        }
    finally:
        consumer.close()
    return TopicOffsets(
        begins={partition: low for partition, (low, _) in bounds.items()},
        ends={partition: high for partition, (_, high) in bounds.items()},
        topic_id=_topic_id(settings),
    )


def _topic_id(settings: Settings) -> str | None:
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    described = admin.describe_topics(TopicCollection([settings.topic]), request_timeout=_REQUEST_TIMEOUT_SECONDS)
    uuid = described[settings.topic].result().topic_id
    known = uuid is not None and (uuid.get_most_significant_bits(), uuid.get_least_significant_bits()) != (0, 0)
    return str(uuid) if known else None


def wait_for_topic(settings: Settings, stop: threading.Event, patience_seconds: float = 120.0) -> TopicOffsets | None:
    """The topic's bounds, once it is there; None where the stop came first.

    Raises ``TopicUnusableError`` when patience ends first; a request that is under way then is still waited for.
    """
    deadline = time.monotonic() + patience_seconds
    is_told = False
    while not stop.is_set():
        try:
            offsets = read_offsets(settings)
            reason = f"it has no topic {settings.topic} yet; the gateway makes it"
        except KafkaException as error:
            offsets, reason = None, str(error)
        if offsets is not None:
            return offsets
        if not is_told:
            logger.info(
                "waiting for topic=%s bootstrap=%s reason=%s", settings.topic, settings.bootstrap_servers, reason
            )
            is_told = True
        if time.monotonic() >= deadline:
            raise TopicUnusableError(f"Kafka at {settings.bootstrap_servers}: {reason}")
        stop.wait(1.0)
    return None
