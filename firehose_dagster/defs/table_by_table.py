"""One maintenance of many tables: each is seen to whatever becomes of the others, then the run tells of them all."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar

import dagster as dg
from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.table import Table
from firehose_dagster.defs.table_metadata import MetadataEntry
from firehose_dagster.maintenance.audit_trail import Figure, MaintenanceRecord, record

Outcome = TypeVar("Outcome")


@dataclass(frozen=True, slots=True)
class Told:
    """What an outcome says of its table."""

    cells: Sequence[object]
    """Its row of the run's metadata, after the table's name."""
    figures: Mapping[str, Figure]
    """Its row of `ops_audit`; empty where nothing was done."""


@dataclass(frozen=True, slots=True)
class TablesDone(Generic[Outcome]):
    """The tables that there are, with what became of each."""

    outcomes: Sequence[Outcome]
    told: Mapping[str, Told]
    problems: Sequence[str]

    @property
    def anything(self) -> bool:
        """Whether something was done to any."""
        return any(each.figures for each in self.told.values())

    def result(
        self, metadata: Mapping[str, MetadataEntry], columns: Sequence[str], *, allow_retries: bool
    ) -> dg.MaterializeResult[None]:
        """The metadata, and a row a table under `columns`. Raises dg.Failure with them where a table had a problem."""
        lines = [["table", *columns], ["-"] * (len(columns) + 1)]
        lines += [[name, *map(_cell, each.cells)] for name, each in self.told.items()]
        shown = "\n".join(f"| {' | '.join(line)} |" for line in lines)
        complete: dict[str, MetadataEntry] = {**metadata, "tables": dg.MetadataValue.md(shown)}
        if self.problems:
            raise dg.Failure("; ".join(self.problems), metadata=complete, allow_retries=allow_retries)
        return dg.MaterializeResult(metadata=complete)


def table_by_table(
    context: dg.AssetExecutionContext,
    catalog: Catalog,
    maintenance: str,
    tables: Iterable[Table],
    work: Callable[[Table], Outcome | None],
    tell: Callable[[Outcome], Told],
    problem: type[Exception],
) -> TablesDone[Outcome]:
    """Do the work on each table; None of it: the table is not there yet. What was done has a row in `ops_audit` each.

    A `problem` that the work raises is one of that table alone; what else it raises ends the run.
    """
    outcomes: list[Outcome] = []
    told: dict[str, Told] = {}
    records: list[MaintenanceRecord] = []
    problems: list[str] = []
    try:
        for table in tables:
            started_at = datetime.now(UTC)
            try:
                outcome = work(table)
            except problem as error:
                problems.append(f"{table.name}: {error}")
                continue
            if outcome is None:
                continue
            outcomes.append(outcome)
            told[table.name] = tell(outcome)
            if told[table.name].figures:
                kind = f"{maintenance}:{table.name}"
                run_id, figures = f"{context.run.run_id}/{kind}", told[table.name].figures
                records.append(MaintenanceRecord(run_id, kind, started_at, datetime.now(UTC), figures))
    finally:
        # What was done is told whatever ended the run.
        record(catalog, *records)
    return TablesDone(outcomes, told, problems)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)
