"""Does each service that the lake stands on do its work? A message through Kafka, a table through catalog and store.

Nothing of the lake itself is touched: the message has a topic of its own, the table a namespace of its own, and it is
dropped in the end.
"""

import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
import pyarrow.fs as pa_fs
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, RESTError
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table as IcebergTable
from sqlalchemy.exc import SQLAlchemyError

from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.settings import Settings

SMOKE_TOPIC = "firehose.smoke"
SMOKE_NAMESPACE = "smoke"
_Servers = dict[str, str | int | float | bool]

_TIMEOUT_SECONDS = 15.0
_RETENTION_MS = 3_600_000
_UNUSABLE = (KafkaException, RESTError, CommitFailedException, SQLAlchemyError, pa.ArrowException, OSError)
"""What a service that is down, or refuses us, ends a call with."""


class _WrongAnswerError(Exception):
    """A service answered, and not with what it was given."""


@dataclass(frozen=True, slots=True)
class SmokeCheck:
    """One service asked: whether it did its work, what it said, and how long it took."""

    name: str
    ok: bool
    detail: str
    duration_ms: int


def smoke(settings: Settings) -> tuple[SmokeCheck, ...]:
    """Ask Kafka, then catalog and object store. A check that fails says why and does not stop the next."""
    return (
        _timed("kafka", lambda: _message_comes_back(settings)),
        _timed("trades topic", lambda: _trades_topic(settings)),
        _timed("catalog and store", lambda: _rows_come_back(settings)),
    )


def to_text(checks: tuple[SmokeCheck, ...]) -> str:
    """A line a check."""
    return "\n".join(
        f"{'ok    ' if check.ok else 'FAILED'}  {check.name:<18} {check.duration_ms:>6} ms  {check.detail}"
        for check in checks
    )


def _timed(name: str, ask: Callable[[], str]) -> SmokeCheck:
    started = time.monotonic()
    try:
        detail, ok = ask(), True
    except (*_UNUSABLE, _WrongAnswerError) as error:
        detail, ok = f"{type(error).__name__}: {' '.join(str(error).split())}", False
    return SmokeCheck(name, ok, detail, round((time.monotonic() - started) * 1_000))


def _message_comes_back(settings: Settings) -> str:
    """Produce with all acknowledgements, read the same offset. Raises KafkaException, `_WrongAnswerError`."""
    servers: _Servers = {"bootstrap.servers": settings.bootstrap_servers, "log_level": 0}
    topic = NewTopic(SMOKE_TOPIC, num_partitions=1, config={"retention.ms": str(_RETENTION_MS)})
    # Named, for a client that is let go ends its calls unanswered.
    admin = AdminClient(servers)
    try:
        admin.create_topics([topic], request_timeout=_TIMEOUT_SECONDS)[SMOKE_TOPIC].result(_TIMEOUT_SECONDS)
    except KafkaException as error:
        if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
            raise
    sent = uuid.uuid4().hex.encode()
    offset = _produce(servers, sent)
    consumer = Consumer({**servers, "group.id": "firehose-smoke", "enable.auto.commit": False})
    try:
        consumer.assign([TopicPartition(SMOKE_TOPIC, 0, offset)])
        message = consumer.poll(_TIMEOUT_SECONDS)
        if message is None:
            raise _WrongAnswerError(f"offset {offset} of {SMOKE_TOPIC} was not read in {_TIMEOUT_SECONDS:.0f} s")
        if message.error() is not None:
            raise KafkaException(message.error())
        if message.value() != sent:
            raise _WrongAnswerError(f"offset {offset} of {SMOKE_TOPIC} holds another message than was sent")
    finally:
        consumer.close()
    return f"{settings.bootstrap_servers}: produced to {SMOKE_TOPIC} and read back, offset {offset}"


def _produce(servers: _Servers, value: bytes) -> int:
    outcomes: list[tuple[KafkaError | None, int | None]] = []
    producer = Producer({**servers, "acks": "all", "message.timeout.ms": int(_TIMEOUT_SECONDS * 1_000)})
    producer.produce(
        SMOKE_TOPIC, value, partition=0, on_delivery=lambda error, message: outcomes.append((error, message.offset()))
    )
    producer.flush(_TIMEOUT_SECONDS)
    if not outcomes:
        raise _WrongAnswerError(f"{SMOKE_TOPIC}: the broker did not confirm in {_TIMEOUT_SECONDS:.0f} s")
    ((error, offset),) = outcomes
    if error is not None or offset is None:
        raise KafkaException(error)
    return offset


def _trades_topic(settings: Settings) -> str:
    metadata = AdminClient({"bootstrap.servers": settings.bootstrap_servers, "log_level": 0}).list_topics(
        timeout=_TIMEOUT_SECONDS
    )
    topic = metadata.topics.get(settings.topic)
    if topic is None:
        return f"{settings.topic} is not there yet: the gateway makes it"
    return f"{settings.topic} has {len(topic.partitions)} partitions"


def _rows_come_back(settings: Settings) -> str:
    """Make a table, append, read, look at its files in the store, drop it."""
    catalog = open_catalog(settings)
    catalog.create_namespace_if_not_exists(SMOKE_NAMESPACE)
    identifier = f"{SMOKE_NAMESPACE}.smoke_{uuid.uuid4().hex}"
    rows = pa.table(
        {
            "price": pa.array([Decimal("0.00000001"), Decimal("87648.21000000")], pa.decimal128(18, 8)),
            "at": pa.array([datetime(2026, 1, 1, tzinfo=UTC)] * 2, pa.timestamp("us", "UTC")),
        }
    )
    table = catalog.create_table(identifier, schema=rows.schema)
    try:
        table.append(rows)
        held = catalog.load_table(identifier)
        read = held.scan().to_arrow()
        if read.to_pylist() != rows.to_pylist():
            raise _WrongAnswerError(f"{identifier} holds other rows than were written: {read.to_pylist()}")
        files = _files(held)
    finally:
        _drop(catalog, identifier)
    return f"{settings.catalog_uri or 'embedded'}: wrote and read 2 rows in {held.location()}, {files} files there"


def _files(table: IcebergTable) -> int:
    """How many files the store lists under the table; it must list the data file that was just written."""
    assert isinstance(table.io, PyArrowFileIO)  # noqa: S101 - the lake's `file_io_properties` say so
    (task,) = table.scan().plan_files()
    scheme, netloc, path = PyArrowFileIO.parse_location(table.location(), table.io.properties)
    _, _, data_path = PyArrowFileIO.parse_location(task.file.file_path, table.io.properties)
    listed = table.io.fs_by_scheme(scheme, netloc).get_file_info(pa_fs.FileSelector(path, recursive=True))
    paths = {info.path for info in listed if info.type == pa_fs.FileType.File}
    if data_path not in paths:
        raise _WrongAnswerError(f"the store does not list {task.file.file_path} under {table.location()}")
    return len(paths)


def _drop(catalog: Catalog, identifier: str) -> None:
    try:
        catalog.purge_table(identifier)
    except NoSuchTableError:
        return
