"""Days backfilled and reconciled, for people: as text for a terminal, as Markdown for the UI."""

from collections.abc import Sequence
from io import StringIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from firehose_dagster.archive.day_outcome import DayOutcome
from firehose_dagster.archive.reconciliation import DayReconciliation

EXAMPLES_SHOWN = 5

_OUTCOME_COLUMNS = ("symbol", "day", "ids", "first", "last", "held before", "published", "absent", "sentinels")
_RECONCILIATION_COLUMNS = (
    "symbol",
    "day",
    "archive",
    "silver",
    "equal",
    "missing in silver",
    "of these quarantined",
    "missing in archive",
    "differing",
)


def outcomes_text(outcomes: Sequence[DayOutcome]) -> str:
    """A table, and under it what was strange."""
    remarks = [remark for each in outcomes for remark in outcome_remarks(each)]
    return "\n".join([_text(_OUTCOME_COLUMNS, [_outcome(each) for each in outcomes]), *remarks])


def outcomes_markdown(outcomes: Sequence[DayOutcome]) -> str:
    """The same in Markdown."""
    remarks = [f"\n- {remark}" for each in outcomes for remark in outcome_remarks(each)]
    return _markdown(_OUTCOME_COLUMNS, [_outcome(each) for each in outcomes]) + "\n" + "".join(remarks)


def outcome_remarks(each: DayOutcome) -> list[str]:
    """What is unusual about a day's file, one line each."""
    where = f"{each.day.symbol} {each.day.day}"
    remarks: list[str] = []
    if each.differing_ids:
        shown = ", ".join(str(agg_id) for agg_id in each.differing_ids[:EXAMPLES_SHOWN])
        more = ", ..." if len(each.differing_ids) > EXAMPLES_SHOWN else ""
        remarks.append(
            f"{where}: {len(each.differing_ids):,} ids are told with different content ({shown}{more}); all versions "
            "were published, silver keeps the first and quarantines the others"
        )
    if each.repeated_rows:
        remarks.append(f"{where}: {each.repeated_rows:,} lines repeat others")
    if each.absent_ids:
        remarks.append(f"{where}: {each.absent_ids:,} ids between first and last are not in the file")
    if each.sentinels:
        remarks.append(f"{where}: {each.sentinels:,} ids are marked as no trade, and recorded as exchange holes")
    if each.other_day_rows:
        remarks.append(f"{where}: {each.other_day_rows:,} trades have a time outside the day")
    if not each.is_verified:
        remarks.append(f"{where}: there was no checksum to compare (SHA-256 {each.sha256})")
    if not each.is_whole:
        remarks.append(f"{where}: stopped on the way; run it again to go on")
    return remarks


def reconciliation_text(found: Sequence[DayReconciliation]) -> str:
    """A table, and under it the first differences."""
    examples = [f"{each.day.symbol} {each.day.day}: {example}" for each in found for example in each.examples]
    verdict = "equal" if all(each.ok for each in found) else "NOT EQUAL"
    return "\n".join([_text(_RECONCILIATION_COLUMNS, [_reconciled(each) for each in found]), *examples, verdict])


def reconciliation_markdown(found: Sequence[DayReconciliation]) -> str:
    """The same in Markdown."""
    examples = [f"\n- {each.day.symbol}: {example}" for each in found for example in each.examples]
    return _markdown(_RECONCILIATION_COLUMNS, [_reconciled(each) for each in found]) + "\n" + "".join(examples)


def _outcome(each: DayOutcome) -> list[str]:
    return [
        each.day.symbol,
        each.day.day.isoformat(),
        f"{each.ids:,}",
        str(each.first_agg_id),
        str(each.last_agg_id),
        f"{each.held_ids:,}",
        f"{each.published:,}",
        f"{each.absent_ids:,}",
        f"{each.sentinels:,}",
    ]


def _reconciled(each: DayReconciliation) -> list[str]:
    counts = (
        each.archive_ids,
        each.silver_ids,
        each.equal_ids,
        each.missing_in_silver,
        each.quarantined,
        each.missing_in_archive,
        each.differing,
    )
    return [each.day.symbol, each.day.day.isoformat(), *(f"{count:,}" for count in counts)]


def _text(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    table = Table(box=SIMPLE_HEAD, show_edge=False)
    for number, name in enumerate(columns):
        table.add_column(Text(name), justify="left" if number < 2 else "right")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out = StringIO()
    Console(file=out, width=160, no_color=True).print(table)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines())


def _markdown(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [columns, ["---", "---", *("---:" for _ in columns[2:])], *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
