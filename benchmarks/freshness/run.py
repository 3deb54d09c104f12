"""Freshness: trade received by the gateway -> visible to a reader of silver and of gold.

`python -m benchmarks.freshness.run [--rate 1000] [--symbols 100] [--warm-up 180] [--measure 120]`

Broker, exchange, gateway and stream run as processes on this machine, in a temporary home. After the warm-up (JIT), a
trade's lag is the time at which the catalog first named a snapshot that holds it, minus its `received_at`. For gold it
is the first gold snapshot computed from a silver snapshot that holds it. The baseline, measured in the same run, is
what a batch costs: trigger interval + 2 x median batch time is the p99 of a stream that never queues.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import numpy as np
from numpy.typing import NDArray
from pyiceberg.table import Table

from benchmarks.freshness.commit_log import CommitLog
from firehose_dagster.contracts.position import SILVER_SNAPSHOT
from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.snapshots import lineage, stamp
from firehose_dagster.local.broker import prepare_broker
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.java import java_executable
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import broker_program, exchange_program, gateway_program, streams_program
from firehose_dagster.settings import Settings
from firehose_dagster.streams.catch_up import wait_until_passed

_RECEIVED = """
select epoch_us(received_at) as received_us from read_parquet($1) where epoch_us(received_at) between $2 and $3"""
_MINUTE_US = 60_000_000
_BATCHES = """
select epoch_us(started_at) as started_us, epoch_us(finished_at) - epoch_us(started_at) as us from ops_audit"""


@dataclass(frozen=True)
class Lags:
    """Seconds from each trade's receipt (`received_us`, in order of commits) to where a reader sees it."""

    received_us: NDArray[np.int64]
    silver: NDArray[np.float64]
    gold: NDArray[np.float64]

    def gold_p99_by_minute(self) -> list[float]:
        """Of the trades received in each minute since the first."""
        minutes = (self.received_us - self.received_us.min()) // _MINUTE_US
        return [round(_percentile(self.gold[minutes == minute], 99), 2) for minute in np.unique(minutes)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=int, default=1_000, help="trades a second, over all symbols")
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--warm-up", type=float, default=180, help="seconds")
    parser.add_argument("--measure", type=float, default=120, help="seconds")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firehose-freshness-") as home:
        settings = _settings(Path(home), options.symbols)
        lags, batch_seconds = _measure(settings, options)
    _report(options, settings, lags, batch_seconds)


def _settings(home: Path, symbols: int) -> Settings:
    broker, controller, exchange = free_ports(3)
    os.environ["FIREHOSE_HOME"] = str(home)
    return Settings(
        home=home,
        symbols=tuple(f"S{number:04d}USDT" for number in range(symbols)),
        broker_port=broker,
        broker_controller_port=controller,
        exchange_port=exchange,
        exchange_ws_url=f"ws://127.0.0.1:{exchange}",
        exchange_rest_url=f"http://127.0.0.1:{exchange}",
    )


def _measure(settings: Settings, options: argparse.Namespace) -> tuple[Lags, list[float]]:
    java = java_executable()
    prepare_broker(settings, java)
    exchange_arguments = ["--synthetic", "--symbols", ",".join(settings.symbols), "--rate", str(options.rate)]
    programs = (
        broker_program(settings, java),
        exchange_program(settings, [*exchange_arguments, "--history-minutes", "0"]),
        gateway_program(),
        streams_program(),
    )
    with Installation(settings, programs, java) as installation:
        installation.start()
        time.sleep(options.warm_up)  # the JIT warms up
        log = CommitLog(settings.lake_dir / "catalog.db", (SILVER.name, GOLD.name))
        log.start()
        started_us = time.time_ns() // 1_000
        time.sleep(options.measure)  # what is measured
        ended_us = time.time_ns() // 1_000
        # What was received at the end must still become visible.
        installation.stop_program("gateway")
        wait_until_passed(settings, threading.Event())
        installation.stop_program("streams")
        log.stop()
    return _lags(settings, log, started_us, ended_us)


def _lags(settings: Settings, log: CommitLog, started_us: int, ended_us: int) -> tuple[Lags, list[float]]:
    catalog = open_catalog(settings)
    silver = catalog.load_table(SILVER.identifier)
    order = {snapshot.snapshot_id: number for number, snapshot in enumerate(reversed(list(lineage(silver))))}
    silver_visible = sorted((order[each.snapshot_id], each.at_us) for each in log.visible[SILVER.name])
    gold_of = {
        snapshot.snapshot_id: order[int(text)]
        for snapshot in lineage(catalog.load_table(GOLD.identifier))
        if (text := stamp(snapshot, SILVER_SNAPSHOT)) is not None
    }
    gold_visible = sorted((gold_of[each.snapshot_id], each.at_us) for each in log.visible[GOLD.name])
    received_us: list[NDArray[np.int64]] = []
    silver_lags: list[NDArray[np.float64]] = []
    gold_lags: list[NDArray[np.float64]] = []
    for snapshot in reversed(list(lineage(silver))):
        files = _added_files(silver, snapshot.snapshot_id)
        if not files:
            continue
        number = order[snapshot.snapshot_id]
        received = duckdb.execute(_RECEIVED, [files, started_us, ended_us]).fetchnumpy()["received_us"]
        if len(received):
            received_us.append(received)
            silver_lags.append((_first_at_or_after(silver_visible, number) - received) / 1e6)
            gold_lags.append((_first_at_or_after(gold_visible, number) - received) / 1e6)
    audits = run_query(settings, _BATCHES).to_pylist()
    batch_seconds = [audit["us"] / 1e6 for audit in audits if started_us <= audit["started_us"] <= ended_us]
    lags = Lags(np.concatenate(received_us), np.concatenate(silver_lags), np.concatenate(gold_lags))
    return lags, batch_seconds


def _added_files(table: Table, snapshot_id: int) -> list[str]:
    snapshot = table.snapshot_by_id(snapshot_id)
    if snapshot is None:
        raise ValueError(f"snapshot {snapshot_id} was expired")
    return [
        urlsplit(entry.data_file.file_path).path
        for manifest in snapshot.manifests(table.io)
        if manifest.added_snapshot_id == snapshot_id
        for entry in manifest.fetch_manifest_entry(table.io)
        if entry.snapshot_id == snapshot_id
    ]


def _first_at_or_after(visible: list[tuple[int, int]], number: int) -> int:
    return min(at_us for each, at_us in visible if each >= number)


def _report(options: argparse.Namespace, settings: Settings, lags: Lags, batch_seconds: list[float]) -> None:
    median_batch = statistics.median(batch_seconds)
    never_queues = settings.trigger_interval_ms / 1_000 + 2 * median_batch
    figures = {
        "benchmark": "freshness",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "rate_per_second": options.rate,
        "symbols": options.symbols,
        "trades_measured": len(lags.silver),
        "batch_median_s": round(median_batch, 3),
        "batches": len(batch_seconds),
        "silver_p50_s": round(_percentile(lags.silver, 50), 2),
        "silver_p99_s": round(_percentile(lags.silver, 99), 2),
        "gold_p50_s": round(_percentile(lags.gold, 50), 2),
        "gold_p99_s": round(_percentile(lags.gold, 99), 2),
        "trigger_plus_2_batches_s": round(never_queues, 2),
        "gold_p99_over_baseline": round(_percentile(lags.gold, 99) / never_queues, 2),
        "gold_p99_s_by_minute": lags.gold_p99_by_minute(),
    }
    for name, value in figures.items():
        print(f"{name:32} {value}")
    print(json.dumps(figures))


def _percentile(values: NDArray[np.float64], percent: int) -> float:
    return float(np.percentile(values, percent))


if __name__ == "__main__":
    main()
