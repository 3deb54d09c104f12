"""How the gateway talks to Kafka: idempotent, confirmed by all replicas, in bounded memory."""

import logging
from collections.abc import Callable

from confluent_kafka import KafkaError

from firehose_dagster.settings import Settings

logger = logging.getLogger("firehose_dagster.gateway.kafka")

LINGER_MS = 10
QUEUE_MAX_MESSAGES = 200_000
DELIVERY_TIMEOUT_MS = 300_000
"""Time for a broker to come back: what it did not take by then is a gap, to be healed."""

HOPELESS = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
        KafkaError._AUTHENTICATION,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
"""Sending again would fail again: a start anew reads the topic, or says what is wrong with it."""


def producer_config(settings: Settings, on_error: Callable[[KafkaError], None]) -> dict[str, object]:
    """Options of a `confluent_kafka.Producer`, without its delivery reports."""
    return {
        "bootstrap.servers": settings.bootstrap_servers,
        "acks": "all",
        "enable.idempotence": True,
        "compression.type": "lz4",
        # The partitioner of the Java client, so that any client finds a symbol in the same partition.
        "partitioner": "murmur2_random",
        "linger.ms": LINGER_MS,
        "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
        "queue.buffering.max.messages": QUEUE_MAX_MESSAGES,
        "queue.buffering.max.kbytes": settings.gateway_queue_megabytes * 1_024,
        "error_cb": on_error,
        "logger": logger,
    }
