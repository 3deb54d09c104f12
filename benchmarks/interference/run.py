"""Interference: what maintenance costs the stream while both work on one lake.

`python -m benchmarks.interference.run [--rate 1000] [--hours 12] [--warm-up 120] [--measure 90]`

First a lake gets closed hours full of small files, through the topic. Then trades come at the rate; after the warm-up
freshness (received by the gateway -> visible in gold) is measured twice for as long: idle, and with compaction, expiry
and orphan removal in turns, without a pause but `--every`. Batches that failed and commits of the stream that had to be
tried again are counted in both; at the end `firehose verify` judges the lake.
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.interference import past_hours
from benchmarks.interference.stream_commits import CommitWatch, StreamCommit
from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.gateway.topic import ensure_topic
from firehose_dagster.lake.query import run_query
from firehose_dagster.local.broker import prepare_broker
from firehose_dagster.local.environment import process_environment
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.java import java_executable
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import (
    BROKER,
    EXCHANGE,
    GATEWAY,
    STREAMS,
    broker_program,
    exchange_program,
    gateway_program,
    streams_program,
)
from firehose_dagster.settings import Settings
from firehose_dagster.streams.catch_up import wait_until_passed
from firehose_dagster.verification.verify import verify

_RECEIVED = """
select kafka_partition, kafka_offset, epoch_us(received_at) as received_us from crypto_silver_trades
where symbol like 'S%' and epoch_us(received_at) between {start} and {end}"""
_LAGS = """
select (v.at_us - r.received_us) / 1e6 as seconds from received r asof join visible v
on r.kafka_partition = v.partition and r.kafka_offset < v.ends"""

Phase = tuple[int, int]
"""Start and end, epoch microseconds."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1_000, help="trades a second, over all symbols")
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--hours", type=int, default=12, help="closed hours to be compacted")
    parser.add_argument("--batches", type=int, default=60, help="micro-batches, and so files, of each closed hour")
    parser.add_argument("--warm-up", type=float, default=120, help="seconds")
    parser.add_argument("--measure", type=float, default=90, help="seconds, idle and again with maintenance")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between two tables of the maintenance")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firehose-interference-") as home:
        figures = _measure(_settings(Path(home), options), options)
    for name, value in figures.items():
        print(f"{name:32} {value}")
    print(json.dumps(figures))


def _settings(home: Path, options: argparse.Namespace) -> Settings:
    broker, controller, exchange = free_ports(3)
    return Settings(
        home=home,
        symbols=tuple(f"S{number:04d}USDT" for number in range(options.symbols)),
        broker_port=broker,
        broker_controller_port=controller,
        exchange_port=exchange,
        exchange_ws_url=f"ws://127.0.0.1:{exchange}",
        exchange_rest_url=f"http://127.0.0.1:{exchange}",
        max_rows_per_batch=max(5_000, 4 * options.rate),
        snapshot_min_age_minutes=1,
    )


def _measure(settings: Settings, options: argparse.Namespace) -> dict[str, object]:
    java = java_executable()
    prepare_broker(settings, java)
    market = ["--synthetic", "--symbols", ",".join(settings.symbols), "--rate", str(options.rate)]
    programs = (
        broker_program(settings, java),
        streams_program(),
        exchange_program(settings, [*market, "--history-minutes", "0"]),
        gateway_program(),
    )
    never = threading.Event()
    with Installation(settings, programs, java) as installation:
        installation.start(BROKER)
        ensure_topic(settings, never)
        rows = settings.max_rows_per_batch * options.batches
        past_hours.send(settings, hours=options.hours, trades_an_hour=rows // options.hours)
        installation.start(STREAMS)
        _wait_for_the_stream(settings)
        wait_until_passed(settings, never)
        installation.start(EXCHANGE)
        installation.start(GATEWAY)
        time.sleep(options.warm_up)  # the JIT warms up
        watch = CommitWatch(settings.lake_dir / "catalog.db")
        watch.start()
        # What is received from here on is judged by commits that the watch has seen from the start.
        time.sleep(2)  # what was received before the watch began has been committed
        idle = _phase(lambda: time.sleep(options.measure))  # what is measured
        told: list[dict[str, int]] = []
        busy = _phase(lambda: told.append(_maintain(settings, options)))
        installation.stop_program(GATEWAY)
        wait_until_passed(settings, never)
        installation.stop_program(STREAMS)
        watch.stop()
    report = verify(settings)
    return _figures(settings, options, watch.commits, idle, busy, told[0], verify_ok=report.ok)


def _wait_for_the_stream(settings: Settings) -> None:
    deadline = time.monotonic() + 120
    while not (settings.state_dir / "streams.json").exists():
        if time.monotonic() > deadline:
            raise RuntimeError(f"the stream did not start within 120 s; see {settings.logs_dir}")
        time.sleep(0.5)  # between two looks at another process


def _phase(work: object) -> Phase:
    started = time.time_ns() // 1_000
    assert callable(work)
    work()
    return started, time.time_ns() // 1_000


def _maintain(settings: Settings, options: argparse.Namespace) -> dict[str, int]:
    module = ["-m", "benchmarks.interference.maintenance", str(options.measure), str(options.every)]
    run = subprocess.run(
        [sys.executable, *module], env=process_environment(settings), check=True, stdout=subprocess.PIPE, text=True
    )
    counts: dict[str, int] = json.loads(run.stdout.splitlines()[-1])
    return counts


def _figures(
    settings: Settings,
    options: argparse.Namespace,
    commits: Sequence[StreamCommit],
    idle: Phase,
    busy: Phase,
    maintenance: dict[str, int],
    *,
    verify_ok: bool,
) -> dict[str, object]:
    silver = {"idle": _lags(settings, commits, SILVER.name, idle), "busy": _lags(settings, commits, SILVER.name, busy)}
    gold = {"idle": _lags(settings, commits, GOLD.name, idle), "busy": _lags(settings, commits, GOLD.name, busy)}
    return {
        "benchmark": "interference",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "rate_per_second": options.rate,
        "trades_measured_idle": len(gold["idle"]),
        "trades_measured_busy": len(gold["busy"]),
        "silver_p99_seconds_idle": round(_p99(silver["idle"]), 2),
        "silver_p99_seconds_busy": round(_p99(silver["busy"]), 2),
        "gold_p50_seconds_idle": round(statistics.median(gold["idle"]), 2),
        "gold_p50_seconds_busy": round(statistics.median(gold["busy"]), 2),
        "gold_p99_seconds_idle": round(_p99(gold["idle"]), 2),
        "gold_p99_seconds_busy": round(_p99(gold["busy"]), 2),
        "freshness_ratio": round(_p99(gold["busy"]) / _p99(gold["idle"]), 2),
        "failed_batches": _failed_batches(settings),
        "stream_commits_idle": len(_during(commits, idle)),
        "stream_commits_busy": len(_during(commits, busy)),
        "commit_retries_idle": sum(each.attempts - 1 for each in _during(commits, idle)),
        "commit_retries": sum(each.attempts - 1 for each in _during(commits, busy)),
        **maintenance,
        "verify_ok": verify_ok,
    }


def _during(commits: Sequence[StreamCommit], phase: Phase) -> list[StreamCommit]:
    return [each for each in commits if phase[0] <= each.visible_at_us <= phase[1]]


def _lags(settings: Settings, commits: Sequence[StreamCommit], table: str, phase: Phase) -> list[float]:
    """Of each trade received in the phase: until the first commit behind its offset was visible."""
    visible = [
        {"partition": partition, "ends": end, "at_us": each.visible_at_us}
        for each in commits
        if each.table == table
        for partition, end in each.offsets.items()
    ]
    received = run_query(settings, _RECEIVED.format(start=phase[0], end=phase[1]))
    with duckdb.connect() as connection:
        connection.register("received", received)
        connection.register("all_visible", pa.Table.from_pylist(visible))
        connection.execute(
            'create table visible as select partition, "ends", min(at_us) as at_us from all_visible group by 1, 2'
        )
        return [seconds for (seconds,) in connection.execute(_LAGS).fetchall()]


def _failed_batches(settings: Settings) -> int:
    """Batches that the stream's log calls failed, and starts of the stream beyond the first."""
    log = "".join(path.read_text() for path in settings.logs_dir.glob("streams.log*"))
    return log.count("layer failed") + max(0, log.count("query started") - 1)


def _p99(values: Sequence[float]) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[98]


if __name__ == "__main__":
    main()
