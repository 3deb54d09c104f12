"""The topic's end is read at the gateway's start, also from a broker that is not quite there."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from firehose_dagster.gateway import tail
from firehose_dagster.gateway.errors import TopicError
from firehose_dagster.gateway.tail import SymbolTail, read_tail
from firehose_dagster.settings import Settings
from firehose_dagster_tests.gateway.conftest import Broker

HELD = b'{"symbol":"BTCUSDT","agg_id":7,"source":"ws"}'


@pytest.fixture
def settings(broker: Broker) -> Settings:
    return Settings(kafka_bootstrap=broker.bootstrap_servers, topic=broker.topic)


def _answering_first(codes: list[int], on_refusal: Callable[[], None] = lambda: None) -> type[Consumer]:
    """A consumer whose first questions for offsets are refused with these errors."""

    class RefusedConsumer(Consumer):
        def get_watermark_offsets(self, partition: TopicPartition, *rest: Any, **named: Any) -> Any:
            if codes:
                on_refusal()
                raise KafkaException(KafkaError(codes.pop(0)))
            return super().get_watermark_offsets(partition, *rest, **named)

    return RefusedConsumer


def _read(settings: Settings, broker: Broker, halt: threading.Event) -> dict[str, SymbolTail]:
    return read_tail(settings, broker.partitions, ["BTCUSDT"], halt)


@pytest.mark.parametrize(
    "code",
    [KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError.LEADER_NOT_AVAILABLE, KafkaError.UNKNOWN_TOPIC_OR_PART],
)
def test_a_partition_without_a_leader_yet_is_asked_again(
    broker: Broker, settings: Settings, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    broker.produce(HELD, "BTCUSDT")
    refusals = [code, KafkaError._ALL_BROKERS_DOWN]
    monkeypatch.setattr(tail, "Consumer", _answering_first(refusals))
    monkeypatch.setattr(tail, "LONGEST_WAIT_SECONDS", 0.001)
    found = _read(settings, broker, threading.Event())
    assert (found["BTCUSDT"].held.highest, refusals) == (7, [])


def test_a_refusal_that_does_not_pass_is_told(
    broker: Broker, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "Consumer", _answering_first([KafkaError.TOPIC_AUTHORIZATION_FAILED]))
    with pytest.raises(TopicError, match=f"the tail of topic {broker.topic} cannot be read: .*authorization failed"):
        _read(settings, broker, threading.Event())


def test_a_stop_ends_the_wait_for_a_leader(broker: Broker, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    halt = threading.Event()
    forever = [KafkaError.NOT_LEADER_FOR_PARTITION] * 1_000
    monkeypatch.setattr(tail, "Consumer", _answering_first(forever, on_refusal=halt.set))
    assert _read(settings, broker, halt) == {}
