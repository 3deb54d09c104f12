"""The real broker: formatted, written to, killed, back, stopped."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from firehose_dagster.lake.jars import JarsMissingError, kafka_jars
from firehose_dagster.local.broker import broker_answers, prepare_broker
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.programs import broker_program
from firehose_dagster.settings import Settings

pytestmark = [pytest.mark.stack, pytest.mark.slow]


def _produce(settings: Settings, value: bytes) -> None:
    failures: list[object] = []
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "acks": "all", "enable.idempotence": True})
    producer.produce("trades", value, on_delivery=lambda error, message: failures.append(error) if error else None)
    assert producer.flush(60) == 0
    assert failures == []


def _values(settings: Settings, count: int) -> list[bytes]:
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": "test"})
    consumer.assign([TopicPartition("trades", 0, 0)])
    try:
        return [value for message in consumer.consume(count, timeout=60) if (value := message.value()) is not None]
    finally:
        consumer.close()


def test_a_broker_killed_comes_back_by_itself_with_what_it_held(settings: Settings, java: Path) -> None:
    try:
        kafka_jars(settings.jars_dir)
    except JarsMissingError as error:
        pytest.skip(str(error))
    prepare_broker(settings, java)
    prepare_broker(settings, java)  # formatted once, kept the second time
    with Installation(settings, [broker_program(settings, java)], java) as installation:
        installation.start(on_progress=lambda line: None)
        admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
        admin.create_topics([NewTopic("trades", 1, 1)])["trades"].result(30)
        _produce(settings, b"before")
        killed = installation.states()["broker"].pid
        os.kill(killed, signal.SIGKILL)
        deadline = time.monotonic() + 120
        while installation.states()["broker"].pid in {0, killed} or not broker_answers(settings):
            assert time.monotonic() < deadline, "the broker did not come back"
            threading.Event().wait(0.2)
        _produce(settings, b"after")
        assert _values(settings, 2) == [b"before", b"after"]
    assert not broker_answers(settings)
