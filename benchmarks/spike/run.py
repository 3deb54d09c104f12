"""Spike: trade received by the gateway -> webhook answered by its receiver, through Dagster's sensor and hook.

`python -m benchmarks.spike.run [--minutes 10]`

The whole demo on this machine: made-up market (one symbol spikes each minute), Dagster, receiver. The budget of each
stage comes from the tables: `crypto_spikes.received_at` (newest trade behind the event), `detected_at`, the first gold
snapshot that has it, `ops_deliveries.attempted_at` and its duration. Only first attempts, spikes of the first 90 s left
out, for they are of history. Baseline: gold's own p99 in the same run.
"""

import argparse
import json
import os
import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from firehose_dagster.contracts.position import SILVER_SNAPSHOT
from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.snapshots import lineage, stamp
from firehose_dagster_tests.demo.running_demo import running_demo

_FIRST_ATTEMPTS = """
    SELECT s.silver_snapshot_id, epoch_us(s.received_at) AS received_us, epoch_us(s.detected_at) AS detected_us,
        epoch_us(d.attempted_at) AS posted_us, d.duration_ms
    FROM crypto_spikes s JOIN ops_deliveries d USING (spike_id)
    WHERE d.attempt = 1 AND d.outcome = 'delivered'
"""
_SETTLING_SECONDS = 90


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firehose-spike-") as folder, running_demo(Path(folder) / "home") as demo:
        time.sleep(_SETTLING_SECONDS)  # history is let by
        since_us = int(datetime.now(UTC).timestamp() * 1e6)
        time.sleep(options.minutes * 60)  # what is measured
        rows = [row for row in run_query(demo.settings, _FIRST_ATTEMPTS).to_pylist() if row["received_us"] >= since_us]
        gold_at_ms = {
            int(text): snapshot.timestamp_ms
            for snapshot in lineage(open_catalog(demo.settings).load_table(GOLD.identifier))
            if (text := stamp(snapshot, SILVER_SNAPSHOT)) is not None
        }
    stages = {
        "trade received -> spike found": [(row["detected_us"] - row["received_us"]) / 1e6 for row in rows],
        "spike found -> gold committed": [
            gold_at_ms[row["silver_snapshot_id"]] / 1e3 - row["detected_us"] / 1e6
            for row in rows
            if row["silver_snapshot_id"] in gold_at_ms
        ],
        "spike found -> posted": [(row["posted_us"] - row["detected_us"]) / 1e6 for row in rows],
        "posted -> answered": [row["duration_ms"] / 1e3 for row in rows],
    }
    for stage, seconds in stages.items():
        print(f"{stage:32} p50 {_percentile(seconds, 50):6.2f} s   p99 {_percentile(seconds, 99):6.2f} s")
    webhook = [(row["posted_us"] - row["received_us"]) / 1e6 + row["duration_ms"] / 1e3 for row in rows]
    gold = [
        gold_at_ms[row["silver_snapshot_id"]] / 1e3 - row["received_us"] / 1e6
        for row in rows
        if row["silver_snapshot_id"] in gold_at_ms
    ]
    figures = {
        "benchmark": "spike",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "spikes": len(rows),
        "webhook_p50_s": round(_percentile(webhook, 50), 2),
        "webhook_p99_s": round(_percentile(webhook, 99), 2),
        "gold_p99_s": round(_percentile(gold, 99), 2),
    }
    print(json.dumps(figures))


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    main()
