"""A broker inside the test process, and a gateway that runs until a condition holds."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import msgspec
import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from firehose_dagster.gateway import process
from firehose_dagster.gateway.process import run_gateway
from firehose_dagster.gateway.status import GatewayStatus
from firehose_dagster.settings import Settings

GIVE_UP_SECONDS = 60


@dataclass(frozen=True)
class Record:
    """One record of the topic."""

    key: bytes | None
    value: bytes

    @property
    def message(self) -> dict[str, Any]:
        decoded = msgspec.json.decode(self.value)
        assert isinstance(decoded, dict)
        return decoded


class Broker:
    """One topic of 4 partitions in librdkafka's mock cluster, which lives as long as the client that made it."""

    def __init__(self, owner: Producer, topic: str) -> None:
        self._owner = owner
        self.topic = topic
        metadata = owner.list_topics(topic, timeout=10)
        self.bootstrap_servers = ",".join(f"{broker.host}:{broker.port}" for broker in metadata.brokers.values())
        self.partitions = sorted(metadata.topics[topic].partitions)

    def produce(self, value: bytes, key: str | None = None) -> None:
        self._owner.produce(self.topic, value, key)
        assert self._owner.flush(10) == 0

    def records(self) -> list[Record]:
        """All records, partition after partition, in the order of each."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.bootstrap_servers,
                "group.id": "test",
                "enable.partition.eof": True,
                "fetch.wait.max.ms": 20,
                "log_level": 2,
            }
        )
        consumer.assign([TopicPartition(self.topic, partition, 0) for partition in self.partitions])
        by_partition: dict[int, list[Record]] = {partition: [] for partition in self.partitions}
        open_partitions = set(self.partitions)
        while open_partitions:
            for message in consumer.consume(1_000, timeout=1):
                error, partition = message.error(), message.partition()
                assert partition is not None
                if error is None:
                    by_partition[partition].append(Record(message.key(), message.value() or b""))
                else:
                    assert error.code() == KafkaError._PARTITION_EOF, error
                    open_partitions.discard(partition)
        consumer.close()
        return [record for partition in self.partitions for record in by_partition[partition]]


@pytest.fixture(autouse=True)
def _status_at_every_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests wait for a status; the gateway writes one a second, which is long for them."""
    monkeypatch.setattr(process, "TICKS_PER_STATUS", 1)
    monkeypatch.setattr(process, "TICK_SECONDS", 0.05)


@pytest.fixture(scope="session")
def mock_cluster() -> Producer:
    return Producer({"test.mock.num.brokers": 1, "log_level": 2})


@pytest.fixture
def broker(mock_cluster: Producer, request: pytest.FixtureRequest) -> Broker:
    return Broker(mock_cluster, request.node.name[:200])


class Exchange(Protocol):
    """What a gateway can be pointed at."""

    @property
    def ws_url(self) -> str: ...

    @property
    def rest_url(self) -> str: ...


class SettingsFor(Protocol):
    """Settings of a gateway between this exchange and the test's broker."""

    def __call__(self, exchange: Exchange, **changes: Any) -> Settings: ...


@pytest.fixture
def settings_for(tmp_path: Path, broker: Broker) -> SettingsFor:
    def make(exchange: Exchange, **changes: Any) -> Settings:
        values: dict[str, Any] = {
            "home": tmp_path / "home",
            "symbols": "BTCUSDT",
            "exchange_ws_url": exchange.ws_url,
            "exchange_rest_url": exchange.rest_url,
            "kafka_bootstrap": broker.bootstrap_servers,
            "topic": broker.topic,
        }
        return Settings(**{**values, **changes})

    return make


@contextmanager
def running_gateway(settings: Settings, until: Callable[[GatewayStatus], bool]) -> Iterator[GatewayStatus]:
    """A gateway that reached a status; it is stopped, and its errors are raised, on leaving."""
    stop, reached = threading.Event(), threading.Event()
    seen: list[GatewayStatus] = []

    def on_status(status: GatewayStatus) -> None:
        seen.append(status)
        if until(status):
            reached.set()

    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(run_gateway, settings, stop, on_status)
        run.add_done_callback(lambda _: reached.set())
        try:
            assert reached.wait(GIVE_UP_SECONDS), f"the gateway did not get there: {seen[-1:]}"
            yield seen[-1]
        finally:
            stop.set()
        run.result(GIVE_UP_SECONDS)


def run_until(settings: Settings, until: Callable[[GatewayStatus], bool]) -> None:
    """Run a gateway until it reached a status, then stop it cleanly."""
    with running_gateway(settings, until):
        pass
