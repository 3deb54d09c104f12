"""Catch-up: a full topic through all tables, beside a plain Spark batch that reads the same topic and writes Parquet.

`python -m benchmarks.catchup.run [--rows 2000000] [--symbols 100] [--rounds 3]`

The broker runs beside it on the same cores. The topic holds trades of all symbols at 1,000 a second of event time.
Baseline: Kafka -> `from_json` with typed columns -> Parquet (zstd), in one session, the first round not measured. The
pass: `firehose streams --until-caught-up`, a new process and home each round; rows and seconds of the batches behind
the first one, which compiles; the same with the first is reported beside it. The last lake is verified.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.spark_session import start_session
from firehose_dagster.local.broker import prepare_broker
from firehose_dagster.local.environment import settings_environment
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.java import java_executable
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import BROKER, broker_program
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify

_BATCHES = """
    SELECT rows_in, epoch_us(started_at) AS started_us, epoch_us(finished_at) AS finished_us
    FROM ops_audit WHERE kind = 'micro_batch' ORDER BY started_at
"""
_START_US = 1_767_225_600_000_000
"""2026-01-01."""
_TRADES_PER_SECOND = 1_000
_FIELDS = (
    "symbol string, agg_id bigint, price decimal(18,8), qty decimal(19,8), first_trade_id bigint, "
    "last_trade_id bigint, trade_time bigint, event_time bigint, received_at bigint, "
    "is_buyer_maker boolean, source string"
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firehose-catchup-") as folder, _broker(Path(folder)) as settings:
        _fill(settings, options.rows, options.symbols)
        baseline, warm, whole = _measure(settings, options)
    figures = {
        "benchmark": "catchup",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "rows": options.rows,
        "rounds": options.rounds,
        "batch_rows_per_second": round(statistics.median(baseline)),
        "batch_spread": [round(min(baseline)), round(max(baseline))],
        "rows_per_second": round(statistics.median(warm)),
        "rows_per_second_spread": [round(min(warm)), round(max(warm))],
        "rows_per_second_with_first_batch": round(statistics.median(whole)),
        "ratio_to_batch": round(statistics.median(warm) / statistics.median(baseline), 2),
    }
    for name, value in figures.items():
        print(f"{name:34} {value}")
    print(json.dumps(figures))


@contextmanager
def _broker(home: Path) -> Iterator[Settings]:
    broker, controller = free_ports(2)
    settings = Settings(home=home, broker_port=broker, broker_controller_port=controller, trigger_interval_ms=0)
    java = java_executable()
    prepare_broker(settings, java)
    with Installation(settings, [broker_program(settings, java)], java) as installation:
        installation.start(BROKER, on_progress=lambda line: None)
        yield settings


def _fill(settings: Settings, rows: int, symbols: int) -> None:
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    admin.create_topics([NewTopic(settings.topic, settings.topic_partitions, 1)])[settings.topic].result(30)
    producer = Producer({"bootstrap.servers": settings.bootstrap_servers, "linger.ms": 50, "compression.type": "lz4"})
    names = [f"S{number:04d}USDT" for number in range(symbols)]
    encoder = msgspec.json.Encoder()
    for row in range(rows):
        at_us = _START_US + row * 1_000_000 // _TRADES_PER_SECOND
        agg_id = row // symbols
        message = AggTradeMessage(
            symbol=names[row % symbols],
            agg_id=agg_id,
            price=f"{100 + (row * 7919) % 1_000 / 1_000:.8f}",
            qty=f"{1 + (row * 104_729) % 10_000 / 10_000:.8f}",
            first_trade_id=2 * agg_id,
            last_trade_id=2 * agg_id + 1,
            trade_time=at_us,
            event_time=at_us + 900,
            received_at=at_us + 40_000,
            is_buyer_maker=row % 3 == 0,
            source="ws",
        )
        while True:
            try:
                producer.produce(settings.topic, encoder.encode(message), message.symbol)
                break
            except BufferError:
                producer.poll(0.1)
        if row % 10_000 == 0:
            producer.poll(0)
    producer.flush()


def _measure(settings: Settings, options: argparse.Namespace) -> tuple[list[float], list[float], list[float]]:
    spark = start_session(settings)
    baseline: list[float] = []
    warm: list[float] = []
    whole: list[float] = []
    for number in range(options.rounds + 1):
        seconds = _plain_batch(spark, settings, settings.home / f"plain-{number}")
        if number > 0:
            baseline.append(options.rows / seconds)
            print(f"plain batch {options.rows / seconds:,.0f} rows/s")
    spark.stop()
    for number in range(options.rounds):
        home = settings.model_copy(
            update={"home": settings.home / f"round-{number}", "kafka_bootstrap": settings.bootstrap_servers}
        )
        home.home.mkdir()
        with (home.home / "streams.log").open("w") as log:
            subprocess.run(
                [sys.executable, "-m", "firehose_dagster.cli", "streams", "--until-caught-up"],
                env={**os.environ, **settings_environment(home)},
                stdout=log,
                stderr=subprocess.STDOUT,
                check=True,
            )
        first, *others = run_query(home, _BATCHES).to_pylist()
        last_us = others[-1]["finished_us"]
        warm.append(sum(each["rows_in"] for each in others) / (last_us - first["finished_us"]) * 1e6)
        whole.append(options.rows / (last_us - first["started_us"]) * 1e6)
        print(f"all tables {warm[-1]:,.0f} rows/s behind the first batch, {whole[-1]:,.0f} with it")
    report = verify(home)
    assert report.ok, [check.name for check in report.checks if not check.ok]
    return baseline, warm, whole


def _plain_batch(spark: SparkSession, settings: Settings, target: Path) -> float:
    spark.conf.set("spark.sql.codegen.wholeStage", "true")
    spark.conf.set("spark.sql.codegen.factoryMode", "FALLBACK")
    started = time.monotonic()
    records = (
        spark.read.format("kafka")
        .option("kafka.bootstrap.servers", settings.bootstrap_servers)
        .option("subscribe", settings.topic)
        .option("startingOffsets", "earliest")
        .option("endingOffsets", "latest")
        .load()
    )
    parsed = records.select(f.from_json(f.col("value").cast("string"), _FIELDS).alias("trade")).select("trade.*")
    parsed.write.option("compression", "zstd").parquet(str(target))
    return time.monotonic() - started


if __name__ == "__main__":
    main()
