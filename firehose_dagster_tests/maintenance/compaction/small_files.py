"""Tables full of small files, as a stream leaves them: written by pyiceberg, so that no test waits for Spark."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.contracts.position import OFFSETS, WATERMARK
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.query import run_query
from firehose_dagster.settings import Settings

HOUR = datetime(2026, 1, 5, 9, tzinfo=UTC)
"""The closed hour of these tests; the watermark stands two hours after it."""
HOUR_ORDINAL = 491_001
"""HOUR in hours since the epoch: 20,458 days (2026-01-05) and 9 hours."""

Row = dict[str, Any]


def trade(number: int, symbol: str = "BTCUSDT", at: datetime = HOUR, **changes: Any) -> Row:
    """A row of silver; its price and quantity follow from its number."""
    return {
        "symbol": symbol,
        "agg_id": number,
        "price": Decimal(100) + Decimal(number % 7) / 4,
        "qty": Decimal(number % 5 + 1) / 8,
        "first_trade_id": number * 2,
        "last_trade_id": number * 2 + 1,
        "is_buyer_maker": number % 2 == 0,
        "event_ts": at + timedelta(seconds=number % 3_600, microseconds=number),
        "dt_hour": at,
        "source": "ws",
        "received_at": at + timedelta(seconds=number % 3_600, milliseconds=40),
        "kafka_partition": 0,
        "kafka_offset": number,
    } | changes


def made_lake(home: Path, **changes: Any) -> Settings:
    """An empty lake."""
    settings = Settings(home=home, **changes)
    create_tables(open_catalog(settings))
    return settings


def append(
    settings: Settings, rows: Sequence[Row], contract: Table = SILVER, stamps: Mapping[str, str] | None = None
) -> int:
    """One commit of one file a partition; returns its snapshot."""
    table = loaded(settings, contract)
    complete = [{name: row.get(name) for name in contract.column_names} for row in rows]
    table.append(
        pa.Table.from_pylist(complete, schema=table.schema().as_arrow()), snapshot_properties=dict(stamps or {})
    )
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def closed_hour(settings: Settings, files: int = 6, rows_a_file: int = 4) -> None:
    """Silver with so many small files in the closed hour, two symbols taking turns, and one file in the open hour."""
    stamps = {OFFSETS: '{"binance.aggtrade":{"0":99}}', WATERMARK: str(to_microseconds(HOUR + timedelta(hours=3)))}
    number = 0
    for _ in range(files):
        rows = []
        for _ in range(rows_a_file):
            number += 1
            rows.append(trade(number, "BTCUSDT" if number % 2 else "ETHUSDT"))
        append(settings, rows, stamps=stamps)
    append(settings, [trade(number + 1, at=HOUR + timedelta(hours=3))], stamps=stamps)


def loaded(settings: Settings, contract: Table = SILVER) -> IcebergTable:
    """The table, read anew."""
    return open_catalog(settings).load_table(contract.identifier)


def paths(settings: Settings, contract: Table = SILVER) -> list[str]:
    """Its live data files."""
    return sorted(task.file.file_path for task in loaded(settings, contract).scan().plan_files())


def rows_of(settings: Settings, contract: Table = SILVER) -> list[Row]:
    """All its rows, in an order of their own."""
    rows: list[Row] = run_query(settings, f"SELECT * FROM {contract.name} ORDER BY ALL").to_pylist()  # noqa: S608 a name of the contract
    return rows


def audited(settings: Settings) -> list[Row]:
    """What the audit tells of it: kind, outcome, and how many files there were."""
    told = "kind, detail->>'outcome' AS outcome, detail->>'files_before' AS files"
    sql = f"SELECT {told} FROM ops_audit ORDER BY started_at"  # noqa: S608 - a constant
    rows: list[Row] = run_query(settings, sql).to_pylist()
    return rows
