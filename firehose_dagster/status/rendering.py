"""The status as text for a person, and as JSON for a monitor."""

from datetime import datetime
from io import StringIO

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as TextTable

from firehose_dagster.status.report import StatusReport


def to_json(report: StatusReport) -> str:
    """One object; times are ISO 8601 in UTC, what is not known is null."""
    return msgspec.json.encode(report).decode()


def to_text(report: StatusReport) -> str:
    """A screenful."""
    streams, gateway = report.streams, report.gateway
    lines = [f"{report.health}  {report.home}", *(f"  - {reason}" for reason in report.reasons), ""]
    lines.append(
        f"streams       {_running(streams.running, streams.pid)}, {streams.batches:,} batches, "
        f"lag {_ms(streams.lag_ms)}, batch {_ms(streams.batch_ms)}, last {_ago(streams.updated_at, report.at)}"
    )
    lines.append(
        f"gateway       {_running(gateway.running, gateway.pid)}, "
        f"{gateway.connections} of {gateway.connections_planned} connections, {gateway.outstanding:,} unconfirmed, "
        f"{gateway.missing_ids:,} ids missing, last trade {_ago(gateway.last_trade_at, report.at)}"
    )
    known = report.completeness
    lines.append(
        "completeness  never looked at"
        if known is None
        else f"completeness  {known.sealed:,} of {known.hours:,} symbol-hours sealed, "
        f"{known.missing_ids:,} ids missing, looked {_ago(known.looked_at, report.at)}"
    )
    told = [f"{each.kind} {_ago(each.finished_at, report.at)} ({each.tables} tables)" for each in report.maintenance]
    lines.append(f"maintenance   {', '.join(told) or 'none in 8 days did anything'}")
    lines.append(f"disk          {report.disk.free_bytes / 1e9:,.1f} GB free of {report.disk.total_bytes / 1e9:,.1f}")
    return "\n".join([*lines, "", _tables(report)] if report.tables else lines)


def _tables(report: StatusReport) -> str:
    shown = TextTable(box=SIMPLE_HEAD, show_edge=False)
    for column in ("table", "rows", "files", "MB", "snapshots", "partitions", "most files in one", "written"):
        shown.add_column(column, justify="left" if column in ("table", "written") else "right", no_wrap=True)
    for each in report.tables:
        shown.add_row(
            each.name,
            f"{each.rows:,}",
            f"{each.data_files:,}",
            f"{each.bytes / 1e6:,.1f}",
            f"{each.snapshots:,}",
            "-" if each.partitions is None else f"{each.partitions:,}",
            "-" if each.most_files_in_a_partition is None else f"{each.most_files_in_a_partition:,}",
            _ago(each.written_at, report.at),
        )
    out = StringIO()
    Console(file=out, width=200, no_color=True).print(shown)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _running(running: bool, pid: int | None) -> str:
    return f"running (process {pid})" if running else "not running"


def _ms(value: int | None) -> str:
    return "-" if value is None else f"{value / 1000:.1f} s"


def _ago(moment: datetime | None, now: datetime) -> str:
    if moment is None:
        return "never"
    seconds = max(0, int((now - moment).total_seconds()))
    for size, unit in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {unit} ago"
    return f"{seconds} s ago"
