"""A verification report for people and for programs."""

import json
from dataclasses import asdict
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from firehose_dagster.verification.report import SymbolHoldings, VerificationReport

SYMBOLS_SHOWN = 20


def to_json(report: VerificationReport) -> str:
    """One object: `ok`, `pinned`, `checks`, `symbols` (all of them), `remarks`."""
    return json.dumps(
        {
            "ok": report.ok,
            "pinned": dict(report.pinned),
            "checks": [{"ok": check.ok, **asdict(check)} for check in report.checks],
            "symbols": [{"contiguous": each.contiguous, **asdict(each)} for each in report.symbols],
            "remarks": list(report.remarks),
        },
        ensure_ascii=False,
    )


def to_text(report: VerificationReport, width: int = 160) -> str:
    """The symbols (the worst first, at most 20), every check with its figures, and what was wrong and where."""
    out = StringIO()
    console = Console(file=out, width=width, no_color=True, highlight=False)
    if report.symbols:
        console.print(_symbols(report.symbols))
        if len(report.symbols) > SYMBOLS_SHOWN:
            console.print(f"  and {len(report.symbols) - SYMBOLS_SHOWN:,} symbols more, none worse than these\n")
        console.print(_checks(report))
    for check in report.checks:
        if not check.ok:
            console.print(Text(f"{check.name}: {check.breaches:,} breach{'' if check.breaches == 1 else 'es'}"))
            for example in check.examples:
                console.print(Text(f"  {example}"))
    for remark in report.remarks:
        console.print(Text(remark))
    failed = sum(not check.ok for check in report.checks)
    if report.ok:
        rows = sum(each.rows for each in report.symbols)
        console.print(Text(f"verified: {rows:,} trades of {len(report.symbols):,} symbols, every check passed"))
    elif failed:
        console.print(Text(f"NOT VERIFIED: {failed} of {len(report.checks)} checks failed"))
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _symbols(symbols: tuple[SymbolHoldings, ...]) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column("symbol")
    for name in ("count", "distinct", "first", "last", "exchange holes", "missing"):
        table.add_column(name, justify="right")
    table.add_column("contiguous")
    for each in sorted(symbols, key=lambda each: (-each.doubled, -each.missing, each.symbol))[:SYMBOLS_SHOWN]:
        table.add_row(
            Text(each.symbol),
            f"{each.rows:,}",
            f"{each.distinct:,}",
            str(each.first_agg_id),
            str(each.last_agg_id),
            f"{each.exchange_holes:,}",
            f"{each.missing:,}",
            "yes" if each.contiguous else "NO",
        )
    return table


def _checks(report: VerificationReport) -> Table:
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    table.add_column("check", no_wrap=True)
    table.add_column("result")
    table.add_column("figures", overflow="fold")
    for check in report.checks:
        figures = ", ".join(
            f"{name} {value:,}" if isinstance(value, int) else f"{name} {value}"
            for name, value in check.figures.items()
        )
        table.add_row(check.name, "ok" if check.ok else "FAILED", Text(figures))
    return table
