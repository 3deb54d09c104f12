"""A small lake, its topic and what follows from losing a row: what the tests of reconciliation share."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import AUDIT, OFFSETS, TOPIC_ID, WATERMARK, Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.completeness.look import look
from firehose_dagster.maintenance.reconciliation.outcome import Reconciliation
from firehose_dagster.maintenance.reconciliation.reconcile import reconcile
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.maintenance.reconciliation.listed_topic import ListedTopic
from firehose_dagster_tests.verification.small_lake import PARTITION, Row, SmallLake, append, write

NINE = datetime(2026, 1, 1, 9, tzinfo=UTC)
"""The small lake has this hour from 9:40, and the next to 10:20."""
BOTH_OVER = NINE + timedelta(days=1)
FIRST_OVER = NINE + timedelta(hours=1, minutes=10)
FIRST_OFFSET = {0: 100, 1: 0}
_AS_TOLD = (
    "symbol",
    "agg_id",
    "first_trade_id",
    "last_trade_id",
    "trade_time",
    "event_time",
    "is_buyer_maker",
    "source",
)


class Installation:
    """A lake, its topic, and a day that goes on."""

    def __init__(self, home: Path, lake: SmallLake) -> None:
        self.settings = Settings(home=home)
        self.lake = lake
        write(self.settings, lake)
        self.catalog: Catalog = open_catalog(self.settings)
        self.topic = ListedTopic({0: [], 1: []}, FIRST_OFFSET)
        for row in lake.bronze:
            self.topic.values[row["kafka_partition"]].append(value_of(row))
        self.topic.partition_of = {symbol.encode(): partition for symbol, partition in PARTITION.items()}
        self.ends = dict(lake.ends)
        self.runs = 0

    def tell_topic(self, table: Table, topic_id: str) -> None:
        """The table was filled from the topic of this id."""
        append(self.settings, table, [], {TOPIC_ID: topic_id})

    def watch(self, watermark: datetime, **stamps: str) -> None:
        """Silver's watermark, and a look at completeness that sees it."""
        position = Position("binance.aggtrade", self.ends).to_json()
        append(
            self.settings,
            SILVER,
            [],
            {OFFSETS: position, WATERMARK: str(to_microseconds(watermark)), **stamps},
        )
        look(self.catalog, self.settings)

    def take(self, watermark: datetime = BOTH_OVER) -> None:
        """What was published reaches bronze, and silver where it is new there: a stream of a few lines."""
        held = {(row["symbol"], row["agg_id"]) for row in self.rows(SILVER.identifier)}
        bronze, silver, starts = [], [], dict(self.ends)
        for symbol, partition in PARTITION.items():
            begin = FIRST_OFFSET[partition]
            for value in self.topic.values[partition][self.ends[partition] - begin :]:
                message = msgspec.json.decode(value or b"{}")
                known = next(row for row in self.lake.bronze if _names(row) == (symbol, message["agg_id"]))
                row = known | {
                    "kafka_partition": partition,
                    "kafka_offset": self.ends[partition],
                    "source": message["source"],
                    "received_at": NINE + timedelta(microseconds=message["received_at"] - to_microseconds(NINE)),
                }
                self.ends[partition] += 1
                bronze.append(row)
                if _names(row) not in held:
                    silver.append(row)
        position = {OFFSETS: Position("binance.aggtrade", self.ends).to_json()}
        append(self.settings, BRONZE, bronze, position)
        append(self.settings, SILVER, silver, position | {AUDIT: self._batch(starts, len(bronze), len(silver))})
        self.watch(watermark)

    def _batch(self, starts: dict[int, int], rows_in: int, rows_out: int) -> str:
        counts = {"rows_in": rows_in, "rows_out": rows_out, "duplicates": rows_in - rows_out, "dq_pass": rows_in}
        offsets = {
            "offsets_start": Position("binance.aggtrade", starts).to_json(),
            "offsets_end": Position("binance.aggtrade", self.ends).to_json(),
        }
        return json.dumps(self.lake.audit[0] | counts | offsets | {"run_id": "trades/2"}, default=datetime.isoformat)

    def reconcile(self, **options: Any) -> Reconciliation:
        self.runs += 1
        return reconcile(
            self.catalog, self.settings, self.topic, run_id=f"run-{self.runs}", is_stream_running=False, **options
        )

    def lose(self, identifier: str, row: Row) -> None:
        """The row at these coordinates is gone from a table, in a commit of its own, as a faulty tool would do it."""
        condition = f"kafka_partition = {row['kafka_partition']} and kafka_offset = {row['kafka_offset']}"
        before = len(self.rows(identifier))
        self.catalog.load_table(identifier).delete(condition)
        assert len(self.rows(identifier)) == before - 1

    def rows(self, identifier: str) -> list[Row]:
        found: list[Row] = self.catalog.load_table(identifier).scan().to_arrow().to_pylist()
        return found

    def audit(self, kind: str) -> list[Row]:
        rows = [row for row in self.rows(OPS_AUDIT.identifier) if row["kind"] == kind]
        return sorted(rows, key=lambda row: row["started_at"])

    def published(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(each.value or b"") for each in self.topic.published]

    def breaches(self) -> set[str]:
        return {check.name for check in verify(self.settings).checks if not check.ok}


def _names(row: Row) -> tuple[str, int]:
    return row["symbol"], row["agg_id"]


def value_of(row: Row) -> bytes:
    """The record of the topic that a row of bronze is of."""
    if row["raw"] is not None:
        return str(row["raw"]).encode()
    message = {name: row[name] for name in _AS_TOLD} | {name: str(row[name]) for name in ("price", "qty")}
    return msgspec.json.encode(message | {"received_at": to_microseconds(row["received_at"])})


Make = Callable[..., Installation]
"""The fixture `make`: an installation of the small lake or of another one, watched for completeness up to a moment."""
