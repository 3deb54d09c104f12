"""Healed trades into the topic, and records that it is to hold again, a page at a time: back when Kafka has them."""

import logging
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import TypeAlias, TypeVar

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.contracts.topic import OutgoingRecord
from firehose_dagster.gateway.producer_config import producer_config
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

POLL_SECONDS = 0.05

_Report: TypeAlias = Callable[[KafkaError | None, Message], None]
_Name = TypeVar("_Name")


class ConfirmedPublisher:
    """A producer of its own, so that a heal neither waits behind the live trades nor takes their room."""

    def __init__(self, settings: Settings, halt: threading.Event) -> None:
        self._settings = settings
        self._topic = settings.topic
        self._halt = halt
        self._encode = msgspec.json.Encoder().encode
        self._renewing = threading.Lock()
        self._producer = self._make_producer()
        self.last_error: str | None = None

    def _make_producer(self) -> Producer:
        return Producer(producer_config(self._settings, self._on_error))

    def publish(self, messages: Sequence[AggTradeMessage]) -> list[int]:
        """Produce all and wait for Kafka; the ids that it confirmed. Of others it may have got some too.

        Returns early, with what is confirmed by then, when the gateway stops. Safe for threads.
        """
        return self._publish(
            (message.agg_id, OutgoingRecord(message.symbol.encode(), self._encode(message))) for message in messages
        )

    def publish_records(self, records: Sequence[OutgoingRecord]) -> int:
        """As `publish`, for records as they are; how many Kafka confirmed."""
        return len(self._publish(enumerate(records)))

    def _publish(self, named: Iterable[tuple[_Name, OutgoingRecord]]) -> list[_Name]:
        confirmed: list[_Name] = []
        reports = 0

        def report(name: _Name, error: KafkaError | None) -> None:
            nonlocal reports
            reports += 1
            if error is None:
                confirmed.append(name)
            else:
                self.last_error = error.str()

        def on_delivery(name: _Name) -> _Report:
            return lambda error, _message: report(name, error)

        producer = self._producer
        produced = 0
        for name, record in named:
            if not self._produce_one(producer, record, on_delivery(name)):
                break
            produced += 1
        while reports < produced and not self._halt.is_set():
            producer.poll(POLL_SECONDS)
        return confirmed

    def _produce_one(self, producer: Producer, record: OutgoingRecord, report: _Report) -> bool:
        while not self._halt.is_set():
            try:
                producer.produce(self._topic, record.value, record.key, on_delivery=report)
                return True
            except BufferError:
                producer.poll(POLL_SECONDS)
            except KafkaException as error:
                self.last_error = error.args[0].str()
                logger.warning("event=heal_not_produced key=%r reason=%s", record.key, self.last_error)
                if error.args[0].fatal() or error.args[0].code() == KafkaError._FATAL:
                    self._renew(producer)
                return False
        return False

    def flush(self, timeout_seconds: float) -> None:
        """Wait for what was handed over when the gateway stopped; what is not confirmed then is found at the start."""
        self._producer.flush(timeout_seconds)

    def _renew(self, broken: Producer) -> None:
        with self._renewing:
            if self._producer is broken:
                self._producer = self._make_producer()
        broken.purge(in_queue=True, in_flight=True, blocking=True)

    def _on_error(self, error: KafkaError) -> None:
        self.last_error = error.str()
