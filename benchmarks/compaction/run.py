"""Compaction of a day that was written at 2 s triggers: what it gains, and at what rate it works.

`python -m benchmarks.compaction.run [--hours 24] [--rate 100] [--commits 240]`

The day is written by time compression: all 1,800 files of each hour, but one commit takes in the files of many triggers
(`--commits`). Measured, best of three: a full scan by `firehose sql`'s way (plan by pyiceberg, read by DuckDB) and one
symbol in one hour by a pyiceberg scan, before and after, and both on one ideally sorted Parquet file. The rate is
compared with plain Arrow: the same files read, sorted and written, without proof or commit, with as many threads.
"""

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pyarrow as pa
import pyarrow.dataset as arrow_dataset
import pyarrow.parquet as pq

from benchmarks.compaction import small_file_day
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.row_filters import all_of, at_least, below, equals
from firehose_dagster.maintenance.compaction.live_files import LakeFile, listing
from firehose_dagster.maintenance.compaction.table_compaction import compact
from firehose_dagster.settings import Settings

_FULL_SCAN = "select count(*) as n, sum(qty) as qty, sum(price * qty) as notional from {rows}"
_TURNS = 3
_QUIET_SECONDS = 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--triggers-an-hour", type=int, default=1_800, help="files an hour; 1,800 are triggers of 2 s")
    parser.add_argument("--rate", type=int, default=100, help="trades a second")
    parser.add_argument("--symbols", type=int, default=100)
    parser.add_argument("--commits", type=int, default=240, help="commits that the files are spread over")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of compaction and of plain Arrow")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="firehose-compaction-") as home:
        settings = Settings(home=Path(home), compaction_threads=options.threads)
        small_file_day.write(
            settings,
            hours=options.hours,
            triggers_an_hour=options.triggers_an_hour,
            rate=options.rate,
            symbols=options.symbols,
            commits=options.commits,
        )
        figures = _measure(settings, options)
    for name, value in figures.items():
        print(f"{name:36} {value}")
    print(json.dumps(figures))


def _measure(settings: Settings, options: argparse.Namespace) -> dict[str, object]:
    before = _files(settings)
    expected = _full_scan(settings)
    full_before, symbol_before = _best(lambda: _full_scan(settings)), _best(lambda: _symbol_hour(settings, options))
    plain_seconds = _plain_rewrite(settings, before, options.threads)
    # Else it would wait for a gap between the commits of a writer that is no longer there.
    time.sleep(_QUIET_SECONDS)  # until compaction takes the table for one that nobody writes to
    started = time.perf_counter()
    report = compact(settings, SILVER)
    seconds = time.perf_counter() - started
    after = _files(settings)
    assert _full_scan(settings) == expected
    full_after, symbol_after = _best(lambda: _full_scan(settings)), _best(lambda: _symbol_hour(settings, options))
    full_ideal, symbol_ideal = _ideal(settings, options)
    megabytes = sum(file.size_bytes for file in before) / 1e6
    return {
        "benchmark": "compaction",
        "machine": f"{os.cpu_count()} cores, {platform.machine()}",
        "hours": options.hours,
        "rows": sum(file.rows for file in before),
        "commits": options.commits,
        "threads": options.threads,
        "groups": len(report.rewritten),
        "files_before": len(before),
        "files_after": len(after),
        "megabytes_before": round(megabytes, 1),
        "megabytes_after": round(sum(file.size_bytes for file in after) / 1e6, 1),
        "mean_file_kilobytes_before": round(1e3 * megabytes / len(before), 1),
        "mean_file_kilobytes_after": round(sum(file.size_bytes for file in after) / len(after) / 1e3, 1),
        "manifests_before": report.manifests_before,
        "manifests_after": report.manifests_after,
        "full_scan_seconds_before": round(full_before, 3),
        "full_scan_seconds_after": round(full_after, 3),
        "full_scan_seconds_ideal": round(full_ideal, 3),
        "full_scan_gain": round(full_before / full_after, 1),
        "symbol_hour_seconds_before": round(symbol_before, 4),
        "symbol_hour_seconds_after": round(symbol_after, 4),
        "symbol_hour_seconds_ideal": round(symbol_ideal, 4),
        "symbol_hour_gain": round(symbol_before / symbol_after, 1),
        "compaction_seconds": round(seconds, 1),
        "plain_arrow_seconds": round(plain_seconds, 1),
        "megabytes_per_second": round(megabytes / seconds, 2),
        "plain_megabytes_per_second": round(megabytes / plain_seconds, 2),
        "rate_ratio": round(plain_seconds / seconds, 2),
    }


def _files(settings: Settings) -> tuple[LakeFile, ...]:
    held = listing(open_catalog(settings).load_table(SILVER.identifier))
    assert held is not None
    return held.files


def _full_scan(settings: Settings) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = run_query(settings, _FULL_SCAN.format(rows=SILVER.name)).to_pylist()
    return rows


def _symbol_hour(settings: Settings, options: argparse.Namespace) -> int:
    start = small_file_day.DAY + timedelta(hours=options.hours // 2)
    wanted = all_of(
        equals("symbol", _symbol(options)),
        at_least("event_ts", start.isoformat()),
        below("event_ts", (start + timedelta(hours=1)).isoformat()),
    )
    found: int = open_catalog(settings).load_table(SILVER.identifier).scan(row_filter=wanted).to_arrow().num_rows
    return found


def _symbol(options: argparse.Namespace) -> str:
    return f"S{options.symbols // 2:04d}USDT"


def _plain_rewrite(settings: Settings, files: tuple[LakeFile, ...], threads: int) -> float:
    """Read, sort and write the same files by Arrow alone, an hour at a time."""
    target = settings.home / "plain.parquet"
    started = time.perf_counter()
    for hour in sorted({file.partition or 0 for file in files}):
        paths = [urlsplit(file.path).path for file in files if file.partition == hour]
        rows = arrow_dataset.dataset(paths).to_table(use_threads=threads > 1)
        pq.write_table(rows.sort_by([(name, "ascending") for name in SILVER.sort]), target, compression="zstd")
    seconds = time.perf_counter() - started
    target.unlink()
    return seconds


def _ideal(settings: Settings, options: argparse.Namespace) -> tuple[float, float]:
    """The same two questions asked of one sorted file that no metadata leads to."""
    path = settings.home / "ideal.parquet"
    paths = [urlsplit(file.path).path for file in _files(settings)]
    rows: pa.Table = arrow_dataset.dataset(paths).to_table()
    pq.write_table(
        rows.sort_by([(n, "ascending") for n in SILVER.sort]), path, compression="zstd", row_group_size=131_072
    )
    start = small_file_day.DAY + timedelta(hours=options.hours // 2)
    with duckdb.connect(config={"threads": str(os.cpu_count() or 1)}) as connection:
        connection.execute(f"create view ideal as select * from read_parquet('{path}')")  # noqa: S608 a path of ours
        full = _best(lambda: connection.execute(_FULL_SCAN.format(rows="ideal")).fetchall())
        one = "select * from ideal where symbol = $1 and event_ts >= $2 and event_ts < $3"
        bounds = [_symbol(options), start, start + timedelta(hours=1)]
        return full, _best(lambda: connection.execute(one, bounds).to_arrow_table())


def _best(work: Callable[[], object]) -> float:
    times = []
    for _ in range(_TURNS):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


if __name__ == "__main__":
    main()
