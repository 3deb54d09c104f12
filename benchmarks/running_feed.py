"""Broker, exchange and gateway as processes in a temporary home, for benchmarks of the feed alone."""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from firehose_dagster.binance.gaps import HeldIds
from firehose_dagster.gateway.status import GatewayStatus, read_status
from firehose_dagster.local.broker import prepare_broker
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.java import java_executable
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import broker_program, exchange_program, gateway_program
from firehose_dagster.settings import Settings

POLL_SECONDS = 0.2


class _Trade(msgspec.Struct):
    symbol: str
    agg_id: int


@dataclass(frozen=True)
class Feed:
    """The running processes."""

    settings: Settings
    installation: Installation

    def wait_for(self, condition: Callable[[GatewayStatus], bool], give_up_seconds: float) -> GatewayStatus:
        """The first status of the gateway that fulfils the condition. Raises TimeoutError."""
        deadline = time.monotonic() + give_up_seconds
        while True:
            status = read_status(self.settings)
            if status is not None and condition(status):
                return status
            if time.monotonic() > deadline:
                raise TimeoutError(f"the gateway did not get there in {give_up_seconds:g} s: {status}")
            time.sleep(POLL_SECONDS)  # between two looks at another process

    def violations(self) -> dict[str, int]:
        """What the exchange holds against its clients."""
        status = httpx.get(f"{self.settings.exchange_rest_url}/admin/status", timeout=60).json()
        return dict(status["violations"])

    def held(self) -> dict[str, HeldIds]:
        """The ids of each symbol in the topic."""
        decode = msgspec.json.Decoder(_Trade).decode
        held: dict[str, HeldIds] = {}
        for value in self._records():
            trade = decode(value)
            held.setdefault(trade.symbol, HeldIds()).add(trade.agg_id)
        return held

    def _records(self) -> Iterator[bytes]:
        consumer = Consumer(
            {"bootstrap.servers": self.settings.bootstrap_servers, "group.id": "bench", "enable.partition.eof": True}
        )
        partitions = range(self.settings.topic_partitions)
        consumer.assign([TopicPartition(self.settings.topic, partition, 0) for partition in partitions])
        open_partitions = set(partitions)
        while open_partitions:
            for message in consumer.consume(5_000, timeout=1):
                error, partition = message.error(), message.partition()
                if error is None:
                    yield message.value() or b""
                elif error.code() == KafkaError._PARTITION_EOF and partition is not None:
                    open_partitions.discard(partition)
        consumer.close()


@contextmanager
def running_feed(symbols: Sequence[str], rate: float) -> Iterator[Feed]:
    """A made-up market of `rate` trades a second, being collected."""
    broker, controller, exchange = free_ports(3)
    with tempfile.TemporaryDirectory(prefix="firehose-feed-") as home:
        os.environ["FIREHOSE_HOME"] = home
        settings = Settings(
            home=Path(home),
            symbols=tuple(symbols),
            broker_port=broker,
            broker_controller_port=controller,
            exchange_port=exchange,
            exchange_ws_url=f"ws://127.0.0.1:{exchange}",
            exchange_rest_url=f"http://127.0.0.1:{exchange}",
        )
        java = java_executable()
        prepare_broker(settings, java)
        arguments = ["--synthetic", "--symbols", ",".join(symbols), "--rate", str(rate), "--history-minutes", "0"]
        programs = (broker_program(settings, java), exchange_program(settings, arguments), gateway_program())
        with Installation(settings, programs, java) as installation:
            installation.start()
            yield Feed(settings, installation)
