"""The read API's latency on a large lake, beside the same queries in plain DuckDB on the same files.

`python -m benchmarks.api.run [--rows 10000000] [--symbols 100] [--requests 500] [--warm-up 20]`

`firehose api` runs as its own process; one client asks one question after the other, with a new symbol each time.
DuckDB runs in this process, as a library on a list of files, without HTTP, JSON or a snapshot: the floor. Both are
warm.
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
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import httpx

from benchmarks.api.large_lake import HOURS, START, write_large_lake
from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.local.environment import settings_environment
from firehose_dagster.local.ports import free_ports
from firehose_dagster.settings import Settings

DAY_END = START + timedelta(hours=HOURS)
DAY_START = DAY_END - timedelta(days=1)

_LATEST = """
SELECT * FROM read_parquet($files) WHERE minute > $since
QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY minute DESC) = 1 ORDER BY symbol"""
_RANGE = """
SELECT * FROM read_parquet($files) WHERE symbol = $symbol AND minute >= $since AND minute < $until ORDER BY minute"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000, help="silver rows")
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--requests", type=int, default=500, help="of each kind")
    parser.add_argument("--warm-up", type=int, default=20, help="requests before, of each kind")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firehose-api-") as home:
        settings = Settings(home=Path(home), api_port=free_ports(1)[0])
        started = time.monotonic()
        files = write_large_lake(settings, options.rows, options.symbols)
        made_seconds = time.monotonic() - started
        symbols = [f"S{number:04d}USDT" for number in range(options.symbols)]
        api = _of_api(settings, symbols, options)
        plain = _of_duckdb(files, symbols, options)
    _report(options, made_seconds, api, plain)


def _of_api(settings: Settings, symbols: list[str], options: argparse.Namespace) -> dict[str, list[float]]:
    command = [sys.executable, "-m", "firehose_dagster.cli", "api"]
    process = subprocess.Popen(command, env={**os.environ, **settings_environment(settings)})
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{settings.api_port}", timeout=60) as client:
            _wait(client, process)
            day = {"start": DAY_START.isoformat(), "end": DAY_END.isoformat(), "limit": 1_440}

            def latest(_symbol: str) -> int:
                return len(_data(client, "/v1/gold/latest", {}))

            def a_day(symbol: str) -> int:
                return len(_data(client, "/v1/minutes", {"symbol": symbol, **day}))

            return _measure({"latest": latest, "range": a_day}, symbols, options)
    finally:
        process.terminate()
        process.wait(timeout=30)


def _of_duckdb(files: list[str], symbols: list[str], options: argparse.Namespace) -> dict[str, list[float]]:
    with duckdb.connect(config={"TimeZone": "UTC", "autoinstall_known_extensions": "false"}) as connection:

        def rows(sql: str, **parameters: object) -> int:
            return len(connection.execute(sql, {"files": files, **parameters}).fetchall())

        def latest(_symbol: str) -> int:
            return rows(_LATEST, since=DAY_START)

        def a_day(symbol: str) -> int:
            return rows(_RANGE, symbol=symbol, since=DAY_START, until=DAY_END)

        return _measure({"latest": latest, "range": a_day}, symbols, options)


def _measure(
    questions: dict[str, Callable[[str], int]], symbols: list[str], options: argparse.Namespace
) -> dict[str, list[float]]:
    expected = {"latest": options.symbols, "range": 24 * 60}
    times: dict[str, list[float]] = {}
    for name, ask in questions.items():
        taken = []
        for number in range(options.warm_up + options.requests):
            started = time.perf_counter()
            found = ask(symbols[number % len(symbols)])
            taken.append((time.perf_counter() - started) * 1_000)
            assert found == expected[name], f"{name}: {found} rows, not {expected[name]}"
        times[name] = taken[options.warm_up :]
    return times


def _data(client: httpx.Client, path: str, parameters: dict[str, Any]) -> list[Any]:
    answer = client.get(path, params=parameters)
    answer.raise_for_status()
    data: list[Any] = answer.json()["data"]
    return data


def _wait(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 60
    while True:
        assert process.poll() is None, "the API ended"
        try:
            client.get("/").raise_for_status()
        except httpx.HTTPError:
            assert time.monotonic() < deadline, "the API does not answer"
            time.sleep(0.1)  # between two looks at another process
        else:
            return


def _report(
    options: argparse.Namespace, made_seconds: float, api: dict[str, list[float]], plain: dict[str, list[float]]
) -> None:
    figures: dict[str, object] = {
        "benchmark": "api",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "measured_at": datetime.now(tz=START.tzinfo).isoformat(timespec="seconds"),
        "silver_rows": options.rows,
        "symbols": options.symbols,
        "table": GOLD.name,
        "requests": options.requests,
        "lake_made_seconds": round(made_seconds, 1),
    }
    for prefix, times in (("", api), ("duckdb_", plain)):
        for name in ("latest", "range"):
            figures[f"{prefix}{name}_p50_ms"] = round(statistics.median(times[name]), 2)
            figures[f"{prefix}{name}_p99_ms"] = round(_percentile(times[name], 99), 2)
    for name, value in figures.items():
        print(f"{name:24} {value}")
    print(json.dumps(figures))


def _percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    main()
