"""Faults against outcomes: how often each kind happened, in how many scripts, and what became of those."""

from collections import Counter
from collections.abc import Sequence

from rich.table import Table

from firehose_dagster.simulator.fault_kinds import AnyFault, RestStatus
from firehose_dagster_tests.faults.trials import ScriptVerdict


def label(fault: AnyFault) -> str:
    """The row of the table that a fault counts in."""
    return f"{fault.kind} {fault.status}" if isinstance(fault, RestStatus) else fault.kind


def outcome_rows(verdicts: Sequence[ScriptVerdict]) -> list[tuple[str, int, int, int]]:
    """Fault, times it happened, green scripts with it, red scripts with it; by name."""
    happened: Counter[str] = Counter()
    green: Counter[str] = Counter()
    red: Counter[str] = Counter()
    for verdict in verdicts:
        labels = [label(each.fault) for each in verdict.happened]
        happened.update(labels)
        (green if verdict.is_green else red).update(set(labels))
    return [(name, happened[name], green[name], red[name]) for name in sorted(happened)]


def outcome_table(verdicts: Sequence[ScriptVerdict]) -> Table:
    """For the terminal."""
    table = Table("fault", title="Faults against outcomes")
    for column in ("happened", "scripts green", "scripts red"):
        table.add_column(column, justify="right")
    for name, happened, green, red in outcome_rows(verdicts):
        table.add_row(name, str(happened), str(green), str(red))
    greens = sum(verdict.is_green for verdict in verdicts)
    table.add_section()
    table.add_row("all scripts", str(len(verdicts)), str(greens), str(len(verdicts) - greens))
    return table
