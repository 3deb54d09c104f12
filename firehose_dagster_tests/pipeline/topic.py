"""One real broker for all tests of the pipeline, topics and homes on it, and the `firehose` command as a process."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from firehose_dagster.lake.query import run_query
from firehose_dagster.local.environment import settings_environment
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify

PARTITIONS = 2
_GIVE_UP_SECONDS = 150


@dataclass(frozen=True)
class Pipeline:
    """A home and its topic."""

    settings: Settings

    def make_topic(self) -> None:
        """With nothing in it."""
        admin = AdminClient({"bootstrap.servers": self.settings.bootstrap_servers})
        admin.create_topics([NewTopic(self.settings.topic, PARTITIONS, 1)])[self.settings.topic].result(30)

    def produce(self, values: Iterable[tuple[str | None, bytes | None]]) -> None:
        """Keys and values, acknowledged when this returns."""
        producer = Producer({"bootstrap.servers": self.settings.bootstrap_servers, "acks": "all", "linger.ms": 20})
        failures: list[object] = []
        for key, value in values:
            producer.produce(
                self.settings.topic, value, key, on_delivery=lambda error, _: failures.append(error) if error else None
            )
            producer.poll(0)
        assert producer.flush(60) == 0
        assert failures == []

    def start(self, *arguments: str, log: Path, module: str = "firehose_dagster.cli") -> subprocess.Popen[bytes]:
        """A `firehose` command, its output in a file."""
        environment = {**os.environ, **settings_environment(self.settings)}
        with log.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def run(self, *arguments: str, log: Path) -> str:
        """A `firehose` command to its end, which must be a good one; its output."""
        with self.start(*arguments, log=log) as process:
            code = process.wait(_GIVE_UP_SECONDS)
        text = log.read_text(errors="replace")
        assert code == 0, text[-4000:]
        return text

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the lake as it is now."""
        rows: list[dict[str, Any]] = run_query(self.settings, sql).to_pylist()
        return rows

    def require_proven(self) -> None:
        """Fail with the oracle's breaches, if any."""
        report = verify(self.settings)
        assert report.ok, [(check.name, check.examples) for check in report.checks if not check.ok]


def encoded(messages: Iterable[dict[str, Any]]) -> list[tuple[str | None, bytes | None]]:
    """Messages as records: the symbol is the key."""
    return [(message["symbol"], msgspec.json.encode(message)) for message in messages]


def wait_until(condition: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    """Until the condition holds, while the process lives."""
    deadline = time.monotonic() + _GIVE_UP_SECONDS
    while not condition():
        assert process.poll() is None, log.read_text(errors="replace")[-4000:]
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-4000:]
        threading.Event().wait(0.2)
