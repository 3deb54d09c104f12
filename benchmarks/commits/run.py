"""Commits: what a micro-batch costs after many commits, beside what it costs after few, in the same run.

`python -m benchmarks.commits.run [--commits 2000] [--batches 40]`

A lake without Kafka: batches of 1,000 trades of 100 symbols, a second of event time each, through all tables. First as
many batches as warm the JVM and make the commits of the baseline (50), then those that are measured, then cheap commits
of a few rows to each table until there are as many as asked, then batches measured again. No maintenance runs: this is
what a lake costs that nobody compacts. Files planned are those of a scan of silver's last minute.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from firehose_dagster.contracts.position import OFFSETS, SILVER_SNAPSHOT, WATERMARK
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.row_filters import at_least
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.lake.spark_session import start_session
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.trade_pass import TradePass

_START = datetime(2026, 1, 5, 10, tzinfo=UTC)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SYMBOLS = 100
_ROWS = 1_000
_FEW_COMMITS = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=2_000)
    parser.add_argument("--batches", type=int, default=40, help="measured each time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firehose-commits-") as folder:
        settings = Settings(home=Path(folder))
        catalog = open_catalog(settings)
        create_tables(catalog)
        spark = start_session(settings)
        spark.sparkContext.setLogLevel("OFF")
        audits: list[BatchAudit] = []
        batches = _batches(spark, settings)

        def process(trade_pass: TradePass, count: int) -> list[float]:
            audits.clear()
            for _, (number, records) in zip(range(count), batches, strict=False):
                trade_pass.process(records, "benchmark", number)
            return [(audit.finished_at - audit.started_at).total_seconds() for audit in audits]

        trade_pass = TradePass(spark, catalog, settings, audits.append)
        process(trade_pass, _FEW_COMMITS)
        few = process(trade_pass, options.batches)
        few_files = _files_planned(settings)
        for table in (BRONZE, SILVER, GOLD):
            _commit_again(spark, settings, table, options.commits - _FEW_COMMITS - options.batches)
        trade_pass = TradePass(spark, catalog, settings, audits.append)
        process(trade_pass, 5)
        many = process(trade_pass, options.batches)
        figures = {
            "benchmark": "commits",
            "machine": f"{os.cpu_count()} cores, {platform.machine()}",
            "commits": options.commits,
            "batch_seconds_after_50": round(statistics.median(few), 3),
            "batch_seconds_after_many": round(statistics.median(many), 3),
            "spread_after_50": [round(min(few), 3), round(max(few), 3)],
            "spread_after_many": [round(min(many), 3), round(max(many), 3)],
            "files_planned_after_50": few_files,
            "files_planned_after_many": _files_planned(settings),
            "batch_time_ratio": round(statistics.median(many) / statistics.median(few), 2),
        }
        spark.stop()
    for name, value in figures.items():
        print(f"{name:28} {value}")
    print(json.dumps(figures))


def _batches(spark: SparkSession, settings: Settings) -> Iterator[tuple[int, DataFrame]]:
    number = 0
    while True:
        rows = [_message(number * _ROWS + row) for row in range(_ROWS)]
        first = number * _ROWS
        yield (
            number,
            spark.createDataFrame(
                pa.table(
                    {
                        "key": pa.array([b"key"] * _ROWS),
                        "value": pa.array(rows),
                        "topic": pa.array([settings.topic] * _ROWS),
                        "partition": pa.array([0] * _ROWS, pa.int32()),
                        "offset": pa.array(range(first, first + _ROWS), pa.int64()),
                        "timestamp": pa.array([_START] * _ROWS, pa.timestamp("us", tz="UTC")),
                    }
                )
            ),
        )
        number += 1


def _message(row: int) -> bytes:
    at_us = (_START - _EPOCH) // timedelta(microseconds=1) + row * 1_000
    agg_id = row // _SYMBOLS
    return msgspec.json.encode(
        {
            "symbol": f"S{row % _SYMBOLS:04d}USDT",
            "agg_id": agg_id,
            "price": f"{100 + row * 7919 % 1_000 / 1_000:.8f}",
            "qty": "1.50000000",
            "first_trade_id": agg_id,
            "last_trade_id": agg_id,
            "trade_time": at_us,
            "event_time": at_us,
            "received_at": at_us,
            "is_buyer_maker": False,
            "source": "ws",
        }
    )


def _commit_again(spark: SparkSession, settings: Settings, contract: Table, commits: int) -> None:
    """A few rows an hour ago, as often as asked, under the stamps that the table has."""
    held = open_catalog(settings).load_table(contract.identifier)
    stamps = {
        key: text for key in (OFFSETS, WATERMARK, SILVER_SNAPSHOT) if (text := newest_stamp(held, key)) is not None
    }
    table = DriverTable(spark, contract, settings)
    some = held.scan(limit=5).to_arrow().cast(table.arrow_schema)
    shifted = some.to_pylist()
    for row in shifted:
        row["symbol"] = "OTHERUSDT"
    rows = pa.Table.from_pylist(shifted, schema=table.arrow_schema)
    for _ in range(commits):
        table.append(rows, stamps)


def _files_planned(settings: Settings) -> int:
    table = open_catalog(settings).load_table(SILVER.identifier)
    newest = max(table.scan(selected_fields=("event_ts",)).to_arrow().column("event_ts").to_pylist())
    minute = newest.replace(second=0, microsecond=0)
    return len(list(table.scan(row_filter=at_least("event_ts", minute.isoformat())).plan_files()))


if __name__ == "__main__":
    main()
