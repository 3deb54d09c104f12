"""Where the topic ends now."""

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from firehose_dagster.settings import Settings

_TIMEOUT_SECONDS = 5.0
_NOT_THERE_YET = {KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.LEADER_NOT_AVAILABLE}


class TopicEnds:
    """Asks the broker for the end offset of each partition, over one connection. Call `close` in the end."""

    def __init__(self, settings: Settings) -> None:
        self._topic = settings.topic
        self._consumer = Consumer(
            {
                "bootstrap.servers": settings.bootstrap_servers,
                "group.id": "firehose-demo-summary",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )

    def read(self) -> dict[int, int] | None:
        """Partition -> offset after its last record; empty while there is no topic; None while no broker answers."""
        try:
            topic = self._consumer.list_topics(self._topic, timeout=_TIMEOUT_SECONDS).topics[self._topic]
            if topic.error is not None:
                return {} if topic.error.code() in _NOT_THERE_YET else None
            return {
                partition: self._consumer.get_watermark_offsets(
                    TopicPartition(self._topic, partition), timeout=_TIMEOUT_SECONDS, cached=False
                )[1]
                for partition in topic.partitions
            }
        except KafkaException:
            return None

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()
