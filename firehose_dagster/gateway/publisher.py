"""Messages into the topic: idempotent, confirmed by all replicas, and no failure unnoticed."""

import logging
import threading
import time

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.gateway.errors import DeliveryFailedError, FlushIncompleteError
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

LINGER_MS = 10
QUEUE_MAX_MESSAGES = 200_000
DELIVERY_TIMEOUT_MS = 300_000
"""Time for a broker to come back: what it did not take by then is a failed delivery."""
PUBLISHES_PER_POLL = 256
FULL_QUEUE_POLL_SECONDS = 0.1
FLUSH_TIMEOUT_SECONDS = 30.0
FLUSH_STEP_SECONDS = 0.5


class Publisher:
    """Produces to one topic. Safe for threads.

    After a delivery failed nothing more is taken: what was produced behind it may be there or not, and the next start
    finds out by reading the topic.
    """

    def __init__(self, settings: Settings, halt: threading.Event) -> None:
        self._topic = settings.topic
        self._halt = halt
        self._failure: str | None = None
        self._until_poll = PUBLISHES_PER_POLL
        self._encode = msgspec.json.Encoder().encode
        self._producer = Producer(
            {
                "bootstrap.servers": settings.bootstrap_servers,
                "acks": "all",
                "enable.idempotence": True,
                "compression.type": "lz4",
                # The partitioner of the Java client, so that any client finds a symbol in the same partition.
                "partitioner": "murmur2_random",
                "linger.ms": LINGER_MS,
                "delivery.timeout.ms": DELIVERY_TIMEOUT_MS,
                "queue.buffering.max.messages": QUEUE_MAX_MESSAGES,
                # One callback a message would cost as much as producing it.
                "delivery.report.only.error": True,
                "on_delivery": self._on_delivery,
                "error_cb": self._on_error,
                "logger": logger,
            }
        )

    def publish(self, message: AggTradeMessage) -> None:
        """Hand one trade to the producer; waits while its queue is full.

        Raises DeliveryFailedError once a delivery failed, or if the gateway was stopped while the queue was full.
        """
        self._produce(self._encode(message), message.symbol)

    def publish_raw(self, frame: bytes) -> None:
        """Hand over a frame that could not be read, as it came and without a key. Raises as `publish` does."""
        self._produce(frame, None)

    def _produce(self, value: bytes, key: str | None) -> None:
        while True:
            try:
                self._producer.produce(self._topic, value, key)
                break
            except BufferError:
                # The broker is slower than the exchange or away: leave the socket unread meanwhile.
                self._producer.poll(FULL_QUEUE_POLL_SECONDS)
                self.raise_failure()
                if self._halt.is_set():
                    raise DeliveryFailedError(
                        "the gateway was stopped while Kafka took no messages; the next start heals what is missing"
                    ) from None
            except KafkaException as error:
                self._failure = f"a message of {len(value)} bytes was refused: {error.args[0].str()}"
                self.raise_failure()
        # Not exact with several threads, and need not be.
        self._until_poll -= 1
        if self._until_poll <= 0:
            self._until_poll = PUBLISHES_PER_POLL
            self.poll()

    def poll(self) -> None:
        """Serve delivery reports. Raises DeliveryFailedError once a delivery failed."""
        self._producer.poll(0)
        self.raise_failure()

    @property
    def outstanding(self) -> int:
        """Messages handed over and not yet confirmed."""
        return len(self._producer)

    def raise_failure(self) -> None:
        """Raise DeliveryFailedError if a delivery failed."""
        if self._failure is not None:
            raise DeliveryFailedError(f"Kafka delivery to topic {self._topic} failed: {self._failure}")

    def flush(self, timeout_seconds: float = FLUSH_TIMEOUT_SECONDS) -> None:
        """Wait until all messages are confirmed.

        Raises FlushIncompleteError when that takes longer than the timeout, DeliveryFailedError if one failed.
        """
        deadline = time.monotonic() + timeout_seconds
        while (remaining := self._producer.flush(FLUSH_STEP_SECONDS)) > 0:
            self.raise_failure()
            if time.monotonic() > deadline:
                raise FlushIncompleteError(
                    f"Kafka did not confirm {remaining} messages within {timeout_seconds:g} s of the stop; "
                    "the next start heals what is missing"
                )
        self.raise_failure()

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is not None and self._failure is None:
            self._failure = error.str()
            logger.error(
                "event=delivery_failed topic=%s partition=%s reason=%s", self._topic, message.partition(), error.str()
            )

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() and self._failure is None:
            self._failure = error.str()
            logger.error("event=producer_failed topic=%s reason=%s", self._topic, error.str())
        else:
            logger.warning("event=broker_trouble reason=%s", error.str())
