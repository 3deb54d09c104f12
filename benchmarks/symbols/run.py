"""Symbols: all that trade, on as many connections as the rules ask, over minutes: memory and CPU of the gateway.

`python -m benchmarks.symbols.run [--symbols 1200] [--minutes 10] [--rate 2000]`

The names are those of the captured exchangeInfo where it stands beside the checkout (../shared/recordings), made up
where not; the trades are of the simulator. Memory is bounded if it does not grow after the first minutes.
"""

import argparse
import json
import re
import statistics
import time
from pathlib import Path

import psutil

from benchmarks.running_feed import Feed, running_feed

CAPTURES = Path(__file__).resolve().parents[3] / "shared" / "recordings" / "exchange_info"
SAMPLE_SECONDS = 5.0
START_SECONDS = 300
_LISTED = re.compile(r'"symbol":"([A-Z0-9]+)","status":"TRADING"')
MEGABYTE = 1024 * 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--symbols", type=int, default=1_200)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--rate", type=float, default=2_000, help="trades a second, over all symbols")
    options = parser.parse_args()
    with running_feed(_names(options.symbols), options.rate) as feed:
        figures = _watch(feed, options)
    print(f"{options.symbols:,} symbols at {options.rate:,.0f} trades/s for {options.minutes:g} minutes")
    for name, figure in figures.items():
        print(f"  {name.replace('_', ' '):28} {figure:>12,}")
    print(json.dumps(figures))


def _names(count: int) -> list[str]:
    listed = [name for path in sorted(CAPTURES.glob("BINANCE*")) for name in _LISTED.findall(path.read_text())]
    names = list(dict.fromkeys(listed))[:count]
    return names + [f"MADEUP{number:04d}USDT" for number in range(count - len(names))]


def _watch(feed: Feed, options: argparse.Namespace) -> dict[str, float]:
    first = feed.wait_for(lambda status: status.state == "running" and status.trades > options.rate, START_SECONDS)
    process = psutil.Process(first.pid)
    process.cpu_percent()
    memory: list[float] = []
    cpu: list[float] = []
    ended_at = time.monotonic() + options.minutes * 60
    while time.monotonic() < ended_at:
        time.sleep(SAMPLE_SECONDS)  # between samples
        memory.append(process.memory_info().rss / MEGABYTE)
        cpu.append(process.cpu_percent())
    last = feed.wait_for(lambda status: status.updated_at > first.updated_at, START_SECONDS)
    seconds = (last.updated_at - first.updated_at).total_seconds()
    third = max(1, len(memory) // 3)
    return {
        "symbols": last.symbols,
        "connections": last.connections,
        "trades_per_second": round((last.trades - first.trades) / seconds),
        "memory_first_third_mb": round(statistics.mean(memory[:third]), 1),
        "memory_last_third_mb": round(statistics.mean(memory[-third:]), 1),
        "memory_highest_mb": round(max(memory), 1),
        "cpu_mean_percent": round(statistics.mean(cpu), 1),
        "reconnects": last.reconnects,
        "gaps_found": last.gaps_found,
        "missing_ids": last.missing_ids,
        "probes": last.probes,
        "highest_weight_used": last.highest_weight_used,
        "violations": sum(feed.violations().values()),
    }


if __name__ == "__main__":
    main()
