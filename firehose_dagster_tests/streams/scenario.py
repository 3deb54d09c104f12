"""A lake, a topic that is a list, and the stream's pass between them, without Kafka: batches as a test cuts them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyspark.sql import DataFrame, SparkSession

from firehose_dagster.contracts.trade_tables import GOLD, GOLD_PROVENANCE_COLUMNS
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.spark_session import catalog_conf
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.trade_pass import TradePass
from firehose_dagster.verification.report import VerificationReport
from firehose_dagster.verification.verify import verify

START = datetime(2026, 1, 5, 9, 40, tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

KAFKA_RECORDS = pa.schema(
    [
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("topic", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("timestamp", pa.timestamp("us", tz="UTC")),
    ]
)

Message = dict[str, Any]


def microseconds(moment: datetime) -> int:
    """Since the epoch."""
    return (moment - EPOCH) // timedelta(microseconds=1)


def trade(agg_id: int, minute: float = 0, symbol: str = "BTCUSDT", **changes: Any) -> Message:
    """A valid message; `minute` counts from 09:40, its price and quantity follow from the id."""
    at = microseconds(START + timedelta(minutes=minute)) + agg_id % 1_000
    message: Message = {
        "symbol": symbol,
        "agg_id": agg_id,
        "price": f"{100 + agg_id % 7}.{agg_id % 100:02d}",
        "qty": f"0.{agg_id % 9 + 1}",
        "first_trade_id": agg_id * 2,
        "last_trade_id": agg_id * 2 + 1,
        "trade_time": at,
        "event_time": at + 1_000,
        "received_at": at + 50_000,
        "is_buyer_maker": agg_id % 2 == 0,
        "source": "ws",
    }
    return {**message, **changes}


def trades(first: int, last: int, minute: float = 0, symbol: str = "BTCUSDT") -> list[Message]:
    """Ids `first` to `last`, two a minute from `minute` on."""
    return [trade(agg_id, minute + (agg_id - first) / 2, symbol) for agg_id in range(first, last + 1)]


def records(spark: SparkSession, rows: Sequence[tuple[int, int, bytes | None]], topic: str) -> DataFrame:
    """Partition, offset and value of each record -> what Spark's Kafka source gives of it."""
    values = [
        {
            "key": b"k",
            "value": value,
            "topic": topic,
            "partition": partition,
            "offset": offset,
            "timestamp": START + timedelta(milliseconds=offset),
        }
        for partition, offset, value in rows
    ]
    return spark.createDataFrame(pa.Table.from_pylist(values, schema=KAFKA_RECORDS))


@dataclass
class Scenario:
    """One lake and the topic that fills it."""

    settings: Settings
    spark: SparkSession
    catalog: Catalog
    topic: dict[int, list[bytes | None]] = field(default_factory=dict)
    audits: list[BatchAudit] = field(default_factory=list)
    trade_pass: TradePass | None = None
    batches: int = 0

    def send(self, *messages: Message | bytes | None, partition: int = 0) -> None:
        """Append to a partition of the topic: JSON of a message, or the very bytes."""
        self.topic.setdefault(partition, []).extend(
            msgspec.json.encode(message) if isinstance(message, dict) else message for message in messages
        )

    def run(self, rows_a_batch: int = 1_000_000) -> None:
        """Take the topic to its end from where silver is, as the query does; starts the pass where none runs."""
        held = self.started()
        while batch := self._next(held, rows_a_batch):
            self.process(batch)

    def started(self) -> TradePass:
        """The pass at work; a new one, as after a restart, where none is."""
        if self.trade_pass is None:
            self.trade_pass = TradePass(self.spark, self.catalog, self.settings, self.audits.append)
        return self.trade_pass

    def process(self, rows: Sequence[tuple[int, int, bytes | None]]) -> None:
        """One batch of these records."""
        self.batches += 1
        held = self.started()
        held.process(records(self.spark, rows, self.settings.topic), "00000000-query", self.batches)

    def kill(self) -> None:
        """Forget the pass and all it held in memory."""
        self.trade_pass = None

    def stop(self) -> None:
        """End the pass as the host does."""
        self.started().close()
        self.trade_pass = None

    def query(self, sql: str) -> list[dict[str, Any]]:
        """Rows of the lake as it is now."""
        rows: list[dict[str, Any]] = run_query(self.settings, sql).to_pylist()
        return rows

    def count(self, table: str) -> int:
        """Rows of a table."""
        (row,) = self.query(f"SELECT count(*)::BIGINT AS n FROM {table}")  # noqa: S608 a name of the contract
        return int(row["n"])

    def quarantined(self) -> list[tuple[int, list[str]]]:
        """Offset and reasons, by offset."""
        rows = self.query("SELECT kafka_offset, reasons FROM crypto_quarantine ORDER BY kafka_partition, kafka_offset")
        return [(row["kafka_offset"], list(row["reasons"])) for row in rows]

    def gold(self) -> list[dict[str, Any]]:
        """The content of gold, by symbol and minute."""
        names = ", ".join(name for name in GOLD.column_names if name not in GOLD_PROVENANCE_COLUMNS)
        return self.query(f"SELECT {names} FROM crypto_gold_minute ORDER BY symbol, minute")  # noqa: S608 names of the contract

    def judged(self) -> VerificationReport:
        """What the oracle says."""
        return verify(self.settings)

    def require_proven(self) -> None:
        """Fail with the oracle's breaches, if any."""
        report = self.judged()
        assert report.ok, [(check.name, check.examples) for check in report.checks if not check.ok]

    def _next(self, held: TradePass, rows_a_batch: int) -> list[tuple[int, int, bytes | None]]:
        position = held.position.offsets
        waiting = [
            (partition, offset, value)
            for partition, values in sorted(self.topic.items())
            for offset, value in enumerate(values)
            if offset >= position.get(partition, 0)
        ]
        return waiting[:rows_a_batch]


def new_scenario(spark: SparkSession, settings: Settings) -> Scenario:
    """An empty lake, with a session of its own in the JVM that all share."""
    catalog = open_catalog(settings)
    create_tables(catalog)
    session = spark.newSession()
    for key, value in catalog_conf(settings).items():
        session.conf.set(key, value)
    # Catalogs are loaded from the conf of the JVM's active session, which this makes the new one.
    session.createDataFrame([], "nothing int")
    return Scenario(settings, session, catalog)
