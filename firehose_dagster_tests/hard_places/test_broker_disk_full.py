"""A broker whose disk is full stops, is started again until there is room, and has all that it had confirmed."""

from functools import partial
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, Message, Producer, TopicPartition

from firehose_dagster.lake.jars import kafka_jars
from firehose_dagster.local.broker import broker_answers, broker_dir, prepare_broker
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import BROKER, broker_program
from firehose_dagster.settings import Settings
from firehose_dagster_tests.faults.waiting import wait_until
from firehose_dagster_tests.hard_places.small_disk import small_disk
from firehose_dagster_tests.pipeline.topic import PARTITIONS, Pipeline, encoded
from firehose_dagster_tests.streams.scenario import trade

pytestmark = [pytest.mark.slow, pytest.mark.stack]


def test_a_broker_whose_disk_is_full_comes_back_with_all_that_it_had_confirmed(
    usable_java: Path, tmp_path: Path
) -> None:
    broker_port, controller_port = free_ports(2)
    settings = Settings(home=tmp_path / "home", broker_port=broker_port, broker_controller_port=controller_port)
    kafka_jars(settings.jars_dir)
    topic = Pipeline(settings)
    with small_disk(broker_dir(settings), megabytes=64) as disk:
        prepare_broker(settings, usable_java)
        with Installation(settings, [broker_program(settings, usable_java)], usable_java) as installation:
            installation.start(on_progress=lambda line: None)
            topic.make_topic()
            topic.produce(encoded(trade(agg_id) for agg_id in range(1, 101)))
            first_pid = installation.states()[BROKER].pid
            disk.fill()
            confirmed = _produce_until_refused(settings)
            assert wait_until(lambda: installation.states()[BROKER].pid != first_pid, 120), "the broker lived on"
            disk.make_room()
            assert wait_until(lambda: broker_answers(settings), 120), installation.log_path(BROKER).read_text()[-3_000:]
            topic.produce(encoded(trade(agg_id) for agg_id in range(1_000_001, 1_000_011)))
            held = _ids(settings)
    assert {*range(1, 101), *confirmed, *range(1_000_001, 1_000_011)} <= held


def _produce_until_refused(settings: Settings) -> set[int]:
    """Ids from 1,000 on that the broker confirmed before it took no more."""
    confirmed: set[int] = set()
    refused: list[int] = []
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "message.timeout.ms": 5_000, "log_level": 0})

    def note(agg_id: int, error: KafkaError | None, _: Message) -> None:
        if error is None:
            confirmed.add(agg_id)
        else:
            refused.append(agg_id)

    agg_id = 1_000
    while not refused:
        assert agg_id < 1_000_000, "the broker went on without a disk"
        message = msgspec.json.encode(trade(agg_id, source="x" * 1_000))
        producer.produce(settings.topic, message, "BTCUSDT", on_delivery=partial(note, agg_id))
        producer.poll(0.001)
        agg_id += 1
    producer.flush(30)
    return confirmed


def _ids(settings: Settings) -> set[int]:
    consumer = Consumer({"bootstrap.servers": settings.bootstrap_servers, "group.id": "test", "log_level": 0})
    held: set[int] = set()
    try:
        for partition in range(PARTITIONS):
            place = TopicPartition(settings.topic, partition, 0)
            _, end = consumer.get_watermark_offsets(place, timeout=30)
            consumer.assign([place])
            read = 0
            while read < end:
                messages = consumer.consume(10_000, timeout=30)
                assert messages, f"partition {partition} gave {read} of {end} records"
                read += len(messages)
                held |= {msgspec.json.decode(message.value() or b"{}")["agg_id"] for message in messages}
    finally:
        consumer.close()
    return held
