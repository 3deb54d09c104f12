"""Live trades into the topic: bounded memory, no failure unnoticed, and what Kafka did not get is said by id."""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.gateway.errors import DeliveryFailedError, FlushIncompleteError
from firehose_dagster.gateway.producer_config import HOPELESS, QUEUE_MAX_MESSAGES, producer_config
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

RAW_MAX_BYTES = 900_000
"""Kafka takes records below 1 MB. A frame that cannot be read and is longer than this is cut, and stays unreadable."""
PUBLISHES_PER_POLL = 256
FULL_QUEUE_POLL_SECONDS = 0.1
FULL_QUEUE_SECONDS = 20.0
"""So long the exchange is left unread; then its connection is closed, before pongs are missed."""
ROOM_SHARE = 0.5
"""A connection is opened again when this share of the queue is free."""
FLUSH_TIMEOUT_SECONDS = 30.0
FLUSH_STEP_SECONDS = 0.5
PURGE_SECONDS = 10.0


class QueueFullError(Exception):
    """Kafka took no messages for so long that reading on would only lose trades."""


class _TradeKey(msgspec.Struct, frozen=True, gc=False):
    symbol: str
    agg_id: int


_decode_key = msgspec.json.Decoder(_TradeKey).decode


class Publisher:
    """Produces to one topic. Safe for threads.

    A trade counts as given to Kafka once `publish` returns; `on_lost(symbol, agg_id)` takes that back where Kafka did
    not get it after all. A frame that could not be read is produced again instead.
    """

    def __init__(self, settings: Settings, halt: threading.Event, on_lost: Callable[[str, int], None]) -> None:
        self._settings = settings
        self._topic = settings.topic
        self._halt = halt
        self._on_lost = on_lost
        self._failure: str | None = None
        self._until_poll = PUBLISHES_PER_POLL
        self._encode = msgspec.json.Encoder().encode
        self._raw_again: deque[bytes] = deque()
        self._renewing = threading.Lock()
        self._producer = self._make_producer()
        self.lost = 0
        self.full_queue_seconds = 0.0
        """How long a connection was left unread because Kafka took nothing."""

    def _make_producer(self) -> Producer:
        return Producer(
            {
                **producer_config(self._settings, self._on_error),
                # One callback a message would cost as much as producing it.
                "delivery.report.only.error": True,
                "on_delivery": self._on_failed_delivery,
            }
        )

    def publish(self, message: AggTradeMessage) -> None:
        """Hand one trade to the producer; waits while its queue is full, and raises QueueFullError if that lasts.

        Raises DeliveryFailedError where Kafka refuses the topic for good.
        """
        value = self._encode(message)
        if not self._produce(value, message.symbol):
            # No trade is that long: the text is kept for quarantine, and REST is asked for the trade.
            self.lose(message.symbol, message.agg_id)
            self.publish_raw(value)

    def publish_raw(self, frame: bytes) -> None:
        """Hand over a frame that could not be read, as it came and without a key. Raises as `publish` does."""
        if len(frame) > RAW_MAX_BYTES:
            logger.warning("event=frame_cut bytes=%d kept_bytes=%d", len(frame), RAW_MAX_BYTES)
        self._produce(frame[:RAW_MAX_BYTES], None)

    def _produce(self, value: bytes, key: str | None) -> bool:
        """False where the record is too long for Kafka."""
        full_since: float | None = None
        while True:
            producer = self._producer
            try:
                producer.produce(self._topic, value, key)
                break
            except BufferError:
                full_since = self._wait_for_room(producer, full_since)
            except KafkaException as error:
                kafka_error = error.args[0]
                if kafka_error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    return False
                if not (kafka_error.fatal() or kafka_error.code() == KafkaError._FATAL):
                    self._failure = f"a message of {len(value)} bytes was refused: {kafka_error.str()}"
                    self.raise_failure()
                self._renew(producer)
        # Not exact with several threads, and need not be.
        self._until_poll -= 1
        if self._until_poll <= 0:
            self._until_poll = PUBLISHES_PER_POLL
            self.poll()
        return True

    def _wait_for_room(self, producer: Producer, full_since: float | None) -> float:
        """The broker is slower than the exchange or away: leave the socket unread meanwhile."""
        now = time.monotonic()
        producer.poll(FULL_QUEUE_POLL_SECONDS)
        self.raise_failure()
        waited = time.monotonic() - now
        self.full_queue_seconds += waited
        if full_since is None:
            return now
        if self._halt.is_set() or now + waited - full_since > FULL_QUEUE_SECONDS:
            raise QueueFullError(
                f"Kafka at {self._settings.bootstrap_servers} takes no messages; what passes is healed"
            )
        return full_since

    def poll(self) -> None:
        """Serve delivery reports. Raises DeliveryFailedError where Kafka refuses the topic for good."""
        self._producer.poll(0)
        self.raise_failure()
        while self._raw_again:
            try:
                self._producer.produce(self._topic, self._raw_again[0])
            except (BufferError, KafkaException):
                return  # it stays, and has its turn at a later poll
            self._raw_again.popleft()

    @property
    def outstanding(self) -> int:
        """Messages handed over and not yet confirmed, and the few errors that no poll has served yet."""
        return len(self._producer) + len(self._raw_again)

    @property
    def has_room(self) -> bool:
        """Whether enough of the queue is free to open a connection again after it was full."""
        return len(self._producer) <= QUEUE_MAX_MESSAGES * ROOM_SHARE

    def raise_failure(self) -> None:
        """Raise DeliveryFailedError where Kafka refuses the topic for good."""
        if self._failure is not None:
            raise DeliveryFailedError(f"Kafka delivery to topic {self._topic} failed: {self._failure}")

    def flush(self, timeout_seconds: float = FLUSH_TIMEOUT_SECONDS) -> None:
        """Wait until all messages are confirmed or known to be lost.

        Raises FlushIncompleteError when that takes longer than the timeout.
        """
        deadline = time.monotonic() + timeout_seconds
        while self._producer.flush(FLUSH_STEP_SECONDS) > 0 or self._raw_again:
            self.poll()
            if time.monotonic() > deadline:
                raise FlushIncompleteError(
                    f"Kafka did not confirm all messages within {timeout_seconds:g} s of the stop (at most "
                    f"{self.outstanding} are missing); the next start heals what is missing"
                )
        self.raise_failure()

    def _renew(self, broken: Producer) -> None:
        """Go on with a new producer; what the broken one still holds is lost, and said so by its reports."""
        with self._renewing:
            if self._producer is not broken:
                return
            logger.error("event=producer_renewed outstanding=%d", len(broken))
            self._producer = self._make_producer()
        broken.purge(in_queue=True, in_flight=True, blocking=True)
        broken.flush(PURGE_SECONDS)

    def lose(self, symbol: str, agg_id: int) -> None:
        """A trade noted as held that Kafka did not get."""
        self.lost += 1
        self._on_lost(symbol, agg_id)

    def _on_failed_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            return
        if self.lost % 1_000 == 0:
            logger.error(
                "event=delivery_failed topic=%s partition=%s lost=%d reason=%s",
                self._topic,
                message.partition(),
                self.lost + 1,
                error.str(),
            )
        if error.code() in HOPELESS:
            self._failure = error.str()
        value = message.value() or b""
        if message.key() is None:
            self._raw_again.append(value)
            return
        key = _decode_key(value)
        self.lose(key.symbol, key.agg_id)

    def _on_error(self, error: KafkaError) -> None:
        logger.warning("event=broker_trouble fatal=%s reason=%s", error.fatal(), error.str())
