"""What one UTC day was: rows, lag, failures, spikes, deliveries, completeness, files, maintenance. As Markdown."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from firehose_dagster.contracts.position import OFFSETS_LOST, REBUILD, ROWS_LOST
from firehose_dagster.lake.duckdb_view import quoted
from firehose_dagster.lake.query import run_query
from firehose_dagster.settings import Settings

_BATCHES = """
SELECT count(*), coalesce(sum(rows_in), 0), coalesce(sum(rows_out), 0), coalesce(sum(dq_fail), 0),
    coalesce(sum(duplicates), 0), coalesce(sum(conflicts), 0), coalesce(sum(late_rows), 0),
    quantile_disc(max_lag_ms, 0.5), quantile_disc(max_lag_ms, 0.99), max(max_lag_ms)
FROM crypto.ops_audit
WHERE kind = 'micro_batch' AND finished_at >= $start AND finished_at < $end
"""
_TABLES: tuple[tuple[str, str], ...] = (
    ("crypto_bronze_aggtrade", "event_ts"),
    ("crypto_silver_trades", "event_ts"),
    ("crypto_quarantine", "rejected_at"),
    ("crypto_gold_minute", "minute"),
    ("crypto_spikes", "minute"),
    ("ops_deliveries", "attempted_at"),
)
"""Each with the column that says to which day a row belongs."""
_SPIKES = """
SELECT symbol, kind, count(*) AS spikes, max(score) AS highest_score
FROM crypto.crypto_spikes WHERE minute >= $start AND minute < $end GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 20
"""
_FAILURES = """
WITH broken AS (
    SELECT unnest(map_entries(dq_fail_by_rule)) AS entry FROM crypto.ops_audit
    WHERE kind = 'micro_batch' AND finished_at >= $start AND finished_at < $end
)
SELECT entry.key AS rule, sum(entry.value) AS rows FROM broken GROUP BY 1 ORDER BY 2 DESC, 1
"""
_COMPLETENESS = """
WITH newest AS (
    SELECT * FROM crypto.ops_completeness WHERE hour >= $start AND hour < $end
    QUALIFY row_number() OVER (PARTITION BY symbol, hour ORDER BY checked_at DESC) = 1
)
SELECT symbol, count(*) AS hours, count(*) FILTER (is_sealed) AS sealed, sum(present) AS trades_held,
    sum(missing) AS trades_missing, sum(exchange_holes) AS exchange_holes
FROM newest GROUP BY 1 ORDER BY 5 DESC, 4 DESC, 1
"""
_SYMBOLS_SHOWN = 50
_DELIVERIES = """
SELECT outcome, count(*) AS attempts FROM crypto.ops_deliveries
WHERE attempted_at >= $start AND attempted_at < $end GROUP BY 1 ORDER BY 2 DESC, 1
"""
_INCIDENT_KINDS = ", ".join(quoted(kind) for kind in (REBUILD, OFFSETS_LOST, ROWS_LOST))
_MAINTENANCE = f"""
SELECT split_part(kind, ':', 1) AS maintenance, split_part(kind, ':', 2) AS "table", count(*) AS runs,
    max(finished_at) AS newest
FROM crypto.ops_audit
WHERE kind NOT IN ('micro_batch', {_INCIDENT_KINDS}) AND finished_at >= $start AND finished_at < $end
GROUP BY 1, 2 ORDER BY 1, 2
"""  # noqa: S608 constants
_INCIDENTS = f"""
SELECT kind AS incident, count(*) AS times, max(finished_at) AS newest
FROM crypto.ops_audit
WHERE kind IN ({_INCIDENT_KINDS}) AND finished_at >= $start AND finished_at < $end
GROUP BY 1 ORDER BY 1
"""  # noqa: S608 constants
_FILES = """
SELECT table_name AS "table", sum(files) AS files, max(files) AS most_in_a_partition, sum(bytes) AS bytes
FROM lake_files GROUP BY 1 ORDER BY 1
"""


@dataclass(frozen=True, slots=True)
class DailyReport:
    """The report of a day, and the figures that are worth a line in a chart."""

    day: date
    markdown: str
    batches: int
    rows_in: int
    rows_to_silver: int
    rows_quarantined: int
    lag_p99_ms: int | None
    spikes: int
    trades_missing: int | None
    """None: completeness was not looked at."""


def daily_report(settings: Settings, day: date) -> DailyReport:
    """Read what the lake says of the day. Raises what reading the lake raises."""
    batches, rows_in, rows_out, failed, duplicates, conflicts, late, p50, p99, most = _query(settings, day, _BATCHES)[
        1
    ][0]
    rows = [(name, _count(settings, day, name, column)) for name, column in _TABLES]
    columns, completeness = _query(settings, day, _COMPLETENESS)
    figures = [
        ("micro-batches", batches),
        ("rows in", rows_in),
        ("to silver", rows_out),
        ("quarantined", failed),
        ("exact duplicates", duplicates),
        ("conflicts", conflicts),
        ("late", late),
        ("lag p50 ms", p50),
        ("lag p99 ms", p99),
        ("lag max ms", most),
    ]
    sections = [
        f"# {day.isoformat()} (UTC)",
        _section("The stream", ("figure", "value"), figures),
        _section("Rows of the day", ("table", "rows"), rows),
        _section(_completeness_title(len(completeness)), columns, completeness[:_SYMBOLS_SHOWN]),
        _section("Data-quality failures", *_query(settings, day, _FAILURES)),
        _section("Spikes", *_query(settings, day, _SPIKES)),
        _section("Webhook attempts", *_query(settings, day, _DELIVERIES)),
        _section("Incidents and rebuilds", *_query(settings, day, _INCIDENTS)),
        _section("Maintenance that did something", *_query(settings, day, _MAINTENANCE)),
        _section("Files, as they are now", *_query(settings, day, _FILES)),
    ]
    return DailyReport(
        day=day,
        markdown="\n\n".join(sections) + "\n",
        batches=int(batches),
        rows_in=int(rows_in),
        rows_to_silver=int(rows_out),
        rows_quarantined=int(failed),
        lag_p99_ms=None if p99 is None else int(p99),
        spikes=dict(rows)["crypto_spikes"],
        trades_missing=sum(int(row[4]) for row in completeness) if completeness else None,
    )


def _completeness_title(symbols: int) -> str:
    shown = f", the {_SYMBOLS_SHOWN} of {symbols:,} symbols that lack most" if symbols > _SYMBOLS_SHOWN else ""
    return f"Completeness{shown}"


def _query(settings: Settings, day: date, sql: str) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """Column names and rows."""
    start = datetime(day.year, day.month, day.day, tzinfo=UTC)
    span = {"start": start, "end": start + timedelta(days=1)} if "$start" in sql else None
    table = run_query(settings, sql, span)
    return tuple(table.column_names), list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _count(settings: Settings, day: date, table: str, column: str) -> int:
    sql = f"SELECT count(*) FROM crypto.{table} WHERE {column} >= $start AND {column} < $end"  # noqa: S608 constants
    ((count,),) = _query(settings, day, sql)[1]
    return int(count)


def _section(title: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    if not rows:
        return f"## {title}\n\nnone"
    lines = [f"| {' | '.join(columns)} |", f"|{' - |' * len(columns)}"]
    lines += [f"| {' | '.join(_cell(value) for value in row)} |" for row in rows]
    return f"## {title}\n\n" + "\n".join(lines)


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case int():
            return f"{value:,}"
        case datetime():
            return f"{value.astimezone(UTC):%H:%M:%S}"
        case _:
            return str(value)
