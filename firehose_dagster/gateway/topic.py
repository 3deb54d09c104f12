"""The topic: wait for the broker, create the topic where it is absent."""

import logging
import threading

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from firehose_dagster.gateway.backoff import backoff_seconds
from firehose_dagster.gateway.errors import TopicError
from firehose_dagster.gateway.passing_trouble import passes
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

METADATA_TIMEOUT_SECONDS = 2.0
CREATE_TIMEOUT_SECONDS = 30.0


def ensure_topic(settings: Settings, halt: threading.Event) -> list[int]:
    """The topic's partitions, once the broker answers; the topic is created where it is absent.

    Waits for the broker as long as it takes; an empty list means that `halt` was set meanwhile. Raises TopicError if
    the broker refuses to create the topic.
    """
    servers = settings.bootstrap_servers
    # The client logs each refused connection; one line of ours says it better.
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 2})
    waits = backoff_seconds(cap=5.0)
    is_reported = False
    while not halt.is_set():
        try:
            topics = admin.list_topics(timeout=METADATA_TIMEOUT_SECONDS).topics
            if settings.topic in topics and topics[settings.topic].error is None:
                return sorted(topics[settings.topic].partitions)
            _create(admin, settings)
        except KafkaException as error:
            if not is_reported:
                logger.warning("event=waiting_for_broker bootstrap_servers=%s reason=%s", servers, _reason(error))
                is_reported = True
        halt.wait(next(waits))
    return []


def _create(admin: AdminClient, settings: Settings) -> None:
    topic = NewTopic(settings.topic, num_partitions=settings.topic_partitions, config={"cleanup.policy": "delete"})
    future = admin.create_topics([topic], request_timeout=CREATE_TIMEOUT_SECONDS)[settings.topic]
    try:
        future.result(CREATE_TIMEOUT_SECONDS)
        logger.info("event=topic_created topic=%s partitions=%d", settings.topic, settings.topic_partitions)
    except KafkaException as error:
        kafka_error = error.args[0]
        if kafka_error.code() == KafkaError.TOPIC_ALREADY_EXISTS:
            return
        if passes(kafka_error):
            raise
        raise TopicError(
            f"topic {settings.topic} cannot be created at {settings.bootstrap_servers}: {_reason(error)}"
        ) from error


def _reason(error: KafkaException) -> str:
    return str(error.args[0].str())
