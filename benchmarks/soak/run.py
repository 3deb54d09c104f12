"""Soak: six hours of market in some minutes, and what grows meanwhile: memory, open files, event log, ticks, metadata.

`python -m benchmarks.soak.run [--minutes 30] [--market-hours 6] [--rate 5] [--warm-up 2] [--every 10] [--require-flat]`

With `--require-flat` the exit code is 1 where the second half's slope of memory, open files, event log, ticks or runs
is above its bound, or the lake is not proven at the end. The bounds, by the minute, and why these: `flatness.py`.

What is compressed: the market (the exchange plays an archive of `--market-hours` in `--minutes`, so gold's minutes, the
hours of partitions, seals and compaction pass that much faster), the pauses between micro-batches (none), and
maintenance (expiry and completeness are launched each minute, snapshots are kept for one). What is not: sensors tick
every 5 s as ever, and materializations are one a minute, so event log and ticks are told by the minute of real time;
and a leak that needs hours of real time has only the minutes of this run.

What has a ceiling is flat only once that is reached, which three minutes do not do: the heaps, the checkpoints of the
last 100 batches, 200 earlier versions of each table's metadata, what expiry leaves. Ask for half an hour at least.

Slopes are straight lines by least squares over the samples behind the warm-up, and over their second half, a minute of
real time. A stream whose batches start once a second has 21,600 of them in six hours: the last column is the stream's
own growth over so many, if it went on as in the second half.
"""

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.soak.flatness import growing
from benchmarks.soak.market import write_market
from benchmarks.soak.samples import Sample, take_sample
from firehose_dagster.lake.query import run_query
from firehose_dagster_tests.demo.running_demo import RunningDemo, running_demo

_LAUNCHED = ("expire_snapshots", "completeness")
_LAUNCH_EVERY_SECONDS = 60.0
_BATCHES_OF_SIX_HOURS = 6 * 3_600
_BY_BATCH = ("stream", "lake", "checkpoints")
_BATCH_SECONDS = """
    SELECT (epoch_us(finished_at) - epoch_us(started_at)) / 1e6 AS seconds FROM ops_audit
    WHERE kind = 'micro_batch' ORDER BY started_at
"""


def main() -> int:
    """Run, report; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30, help="real time behind the warm-up")
    parser.add_argument("--market-hours", type=float, default=6)
    parser.add_argument("--rate", type=float, default=5, help="trades a second of market, over all symbols")
    parser.add_argument("--warm-up", type=float, default=2, help="minutes; the JIT and the caches fill")
    parser.add_argument("--every", type=float, default=10, help="seconds between two samples")
    parser.add_argument("--require-flat", action="store_true", help="exit code 1 where something grows")
    options = parser.parse_args()
    os.environ |= {"FIREHOSE_TRIGGER_INTERVAL_MS": "0", "FIREHOSE_SNAPSHOT_MIN_AGE_MINUTES": "1"}
    with tempfile.TemporaryDirectory(prefix="firehose-soak-") as folder:
        files = write_market(Path(folder) / "market", options.market_hours, options.rate)
        speed = options.market_hours * 60 / (options.minutes + options.warm_up)
        source = ("--archive", *map(str, files), "--speed", f"{speed:g}")
        with running_demo(Path(folder) / "home", source=source) as demo:
            time.sleep(options.warm_up * 60)  # what fills once is full
            samples = _watch(demo, options.minutes * 60, options.every)
            seconds = [row["seconds"] for row in run_query(demo.settings, _BATCH_SECONDS).to_pylist()]
            verified = demo.firehose("verify", "--format", "json").returncode == 0
    second_half = _report(options, speed, samples, seconds, verified=verified)
    if not options.require_flat:
        return 0
    grown = growing(second_half)
    for line in grown:
        print(f"not flat: {line}", file=sys.stderr)
    return 0 if verified and not grown else 1


def _watch(demo: RunningDemo, seconds: float, every_seconds: float) -> list[Sample]:
    samples = [take_sample(demo.settings)]
    started_at = launched_at = time.monotonic()
    while time.monotonic() - started_at < seconds:
        time.sleep(every_seconds)  # between two samples
        samples.append(take_sample(demo.settings))
        if time.monotonic() - launched_at >= _LAUNCH_EVERY_SECONDS:
            launched_at = time.monotonic()
            for job in _LAUNCHED:
                demo.launch(job)
    return samples


def _report(
    options: argparse.Namespace, speed: float, samples: Sequence[Sample], seconds: list[float], *, verified: bool
) -> dict[str, float]:
    """Print the table and the figures; the slopes of the second half."""
    first, last = samples[0], samples[-1]
    minutes = (last.at_seconds - first.at_seconds) / 60
    batches = last.batches - first.batches
    third = max(1, len(seconds) // 3)
    slopes: dict[str, float] = {}
    second_half: dict[str, float] = {}
    print(f"{'':28} {'first':>10} {'last':>10} {'a minute':>10} {'2nd half':>10} {'6 h of batches':>15}")
    for name in sorted(set(first.figures) & set(last.figures)):
        slopes[name] = _slope(samples, name)
        second_half[name] = _slope(samples[len(samples) // 2 :], name)
        by_batch = second_half[name] * minutes / batches * _BATCHES_OF_SIX_HOURS if batches else 0.0
        shown = f"{by_batch:15,.0f}" if name.startswith(_BY_BATCH) else ""
        print(
            f"{name:28} {first.figures[name]:10,.1f} {last.figures[name]:10,.1f} {slopes[name]:10,.2f} "
            f"{second_half[name]:10,.2f} {shown}"
        )
    figures = {
        "benchmark": "soak",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "minutes": round(minutes, 1),
        "market_speed": round(speed, 1),
        "batches": batches,
        "batches_a_minute": round(batches / minutes, 1),
        "batch_first_third_s": round(statistics.median(seconds[:third]), 3),
        "batch_last_third_s": round(statistics.median(seconds[-third:]), 3),
        "verified": verified,
        "a_minute": {name: round(slope, 3) for name, slope in slopes.items()},
        "a_minute_of_the_second_half": {name: round(slope, 3) for name, slope in second_half.items()},
    }
    print(json.dumps(figures))
    return second_half


def _slope(samples: Sequence[Sample], name: str) -> float:
    points = [(each.at_seconds / 60, each.figures[name]) for each in samples if name in each.figures]
    return statistics.linear_regression(*zip(*points, strict=True)).slope


if __name__ == "__main__":
    sys.exit(main())
