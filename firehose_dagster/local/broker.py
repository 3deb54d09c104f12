"""The embedded Kafka: one node, KRaft, loopback only; its configuration, its storage, and the command that runs it."""

import base64
import logging
import os
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.jars import kafka_jars
from firehose_dagster.local.ports import is_answered
from firehose_dagster.settings import Settings

_LOGGER = logging.getLogger(__name__)

HOST = "127.0.0.1"
_METADATA_TIMEOUT_SECONDS = 2.0
_FORMAT_TIMEOUT_SECONDS = 120
_JVM_OPTIONS = (
    "-Xms64m",
    "-Xmx384m",
    "-XX:+UseSerialGC",
    "-XX:+ExitOnOutOfMemoryError",
    "-Djava.awt.headless=true",
    "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn",
    "-Dorg.slf4j.simpleLogger.log.kafka=info",
    "-Dorg.slf4j.simpleLogger.showDateTime=true",
    "-Dorg.slf4j.simpleLogger.dateTimeFormat=yyyy-MM-dd'T'HH:mm:ss.SSSXXX",
)


class BrokerFormatError(ExplainedError):
    """Kafka refused to format its storage; the message carries what it said."""


def broker_dir(settings: Settings) -> Path:
    """Configuration and log segments of the embedded broker."""
    return settings.home / "kafka"


def broker_properties(settings: Settings) -> str:
    """The content of `server.properties`. Retention is Kafka's default, 7 days; topics are created by the gateway."""
    broker = f"{HOST}:{settings.broker_port}"
    controller = f"{HOST}:{settings.broker_controller_port}"
    properties = {
        "process.roles": "broker,controller",
        "node.id": "1",
        "controller.quorum.voters": f"1@{controller}",
        "controller.listener.names": "CONTROLLER",
        "listeners": f"PLAINTEXT://{broker},CONTROLLER://{controller}",
        "advertised.listeners": f"PLAINTEXT://{broker}",
        "log.dirs": str(broker_dir(settings) / "log"),
        "auto.create.topics.enable": "false",
        "default.replication.factor": "1",
        "min.insync.replicas": "1",
        "offsets.topic.replication.factor": "1",
        "offsets.topic.num.partitions": "1",
        "transaction.state.log.replication.factor": "1",
        "transaction.state.log.min.isr": "1",
        "transaction.state.log.num.partitions": "1",
        "share.coordinator.state.topic.replication.factor": "1",
        "share.coordinator.state.topic.min.isr": "1",
        "group.initial.rebalance.delay.ms": "0",
        # A broker killed and started again is not let in before its old session ends; the default is 9 s.
        "broker.session.timeout.ms": "5000",
        "broker.heartbeat.interval.ms": "1000",
        "num.network.threads": "2",
        "num.io.threads": "4",
        "log.segment.bytes": str(256 * 1024 * 1024),
        # Taken from the heap at start whether or not a compacted topic is large; the default is 128 MB.
        "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    }
    return "".join(f"{name}={value}\n" for name, value in properties.items())


def broker_command(settings: Settings, java: Path) -> tuple[str, ...]:
    """The command that runs the broker in the foreground. Raises `lake.jars.JarsMissingError`."""
    return (*_java_command(settings, java), "kafka.Kafka", str(_properties_path(settings)))


def prepare_broker(settings: Settings, java: Path) -> None:
    """Write the configuration; format the storage where it is new. Raises `BrokerFormatError`, `JarsMissingError`."""
    directory = broker_dir(settings)
    directory.mkdir(parents=True, exist_ok=True)
    _properties_path(settings).write_text(broker_properties(settings))
    if (directory / "log" / "meta.properties").is_file():
        return
    command = (
        *_java_command(settings, java),
        "kafka.tools.StorageTool",
        "format",
        *("--cluster-id", _new_cluster_id()),
        *("--config", str(_properties_path(settings))),
        "--ignore-formatted",
    )
    run = subprocess.run(command, capture_output=True, text=True, timeout=_FORMAT_TIMEOUT_SECONDS, check=False)
    if run.returncode != 0:
        said = (run.stderr + run.stdout).strip()[-1500:]
        raise BrokerFormatError(f"Kafka could not format {directory / 'log'} (exit {run.returncode}): {said}")
    _LOGGER.info("broker storage formatted dir=%s", directory / "log")


def broker_answers(settings: Settings) -> bool:
    """Whether the embedded broker answers a metadata request."""
    if not is_answered(HOST, settings.broker_port):  # asked first, for librdkafka prints each refused connection
        return False
    try:
        AdminClient({"bootstrap.servers": f"{HOST}:{settings.broker_port}", "log_level": 0}).list_topics(
            timeout=_METADATA_TIMEOUT_SECONDS
        )
    except KafkaException:
        return False
    return True


def _java_command(settings: Settings, java: Path) -> tuple[str, ...]:
    class_path = os.pathsep.join(str(jar) for jar in kafka_jars(settings.jars_dir))
    return (str(java), *_JVM_OPTIONS, "-cp", class_path)


def _properties_path(settings: Settings) -> Path:
    return broker_dir(settings) / "server.properties"


def _new_cluster_id() -> str:
    """A UUID as Kafka spells it. A leading dash would read as an option of the command line."""
    return "A" + base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[1:22]
