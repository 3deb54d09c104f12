"""A delivery that failed is an error, at the latest when the gateway stops."""

import threading

import pytest
from confluent_kafka import KafkaError

from firehose_dagster.gateway import publisher as publisher_module
from firehose_dagster.gateway.errors import DeliveryFailedError, FlushIncompleteError
from firehose_dagster.gateway.publisher import Publisher
from firehose_dagster_tests.gateway.conftest import Broker, Exchange, SettingsFor


class _NoExchange:
    ws_url = "ws://127.0.0.1:1"
    rest_url = "http://127.0.0.1:1"


@pytest.fixture
def exchange() -> Exchange:
    return _NoExchange()


def test_a_flush_waits_until_the_broker_has_all(broker: Broker, settings_for: SettingsFor, exchange: Exchange) -> None:
    publisher = Publisher(settings_for(exchange), threading.Event())
    for number in range(1_000):
        publisher.publish_raw(str(number).encode())
    publisher.flush()
    assert publisher.outstanding == 0
    assert sorted(int(record.value) for record in broker.records()) == list(range(1_000))


def test_a_broker_that_is_away_at_the_stop_is_an_error(settings_for: SettingsFor, exchange: Exchange) -> None:
    publisher = Publisher(settings_for(exchange, kafka_bootstrap="127.0.0.1:1"), threading.Event())
    publisher.publish_raw(b"frame")
    with pytest.raises(FlushIncompleteError, match="did not confirm 1 messages within 0 s"):
        publisher.flush(timeout_seconds=0)


def test_a_delivery_that_times_out_stops_the_publisher(
    settings_for: SettingsFor, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "DELIVERY_TIMEOUT_MS", 50)
    publisher = Publisher(settings_for(exchange, kafka_bootstrap="127.0.0.1:1"), threading.Event())
    publisher.publish_raw(b"frame")
    with pytest.raises(DeliveryFailedError, match=KafkaError(KafkaError._MSG_TIMED_OUT).str()):
        publisher.flush(timeout_seconds=30)
    with pytest.raises(DeliveryFailedError):
        publisher.poll()


def test_a_full_queue_waits_and_ends_with_an_error_when_the_gateway_stops(
    settings_for: SettingsFor, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "QUEUE_MAX_MESSAGES", 2)
    halt = threading.Event()
    halt.set()
    publisher = Publisher(settings_for(exchange, kafka_bootstrap="127.0.0.1:1"), halt)
    publisher.publish_raw(b"1")
    publisher.publish_raw(b"2")
    with pytest.raises(DeliveryFailedError, match="stopped while Kafka took no messages"):
        publisher.publish_raw(b"3")


def test_a_message_that_kafka_refuses_for_its_size_is_an_error(settings_for: SettingsFor, exchange: Exchange) -> None:
    publisher = Publisher(settings_for(exchange), threading.Event())
    with pytest.raises(DeliveryFailedError, match="a message of 2000000 bytes was refused"):
        publisher.publish_raw(b"x" * 2_000_000)
