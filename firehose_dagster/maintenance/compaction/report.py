"""What a run of compaction did to one table, and its rows in `ops_audit`."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from firehose_dagster.contracts.table import Table
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord
from firehose_dagster.maintenance.compaction.gain import Gain
from firehose_dagster.maintenance.compaction.plan import partition_start


class Outcome(StrEnum):
    """What became of one group."""

    REWRITTEN = "rewritten"
    """One file stands in place of the old ones, and was proved to hold their rows."""
    CONFLICT = "conflict"
    """The table changed under it: nothing was committed, the next plan sees to it."""
    REFUSED = "refused"
    """The new file did not hold the same rows: it was never committed."""
    PUT_BACK = "put_back"
    """The commit did not hold the same rows: the old files are listed again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupResult:
    """One group of files, worked on."""

    id: str
    partition: int | None
    outcome: Outcome
    started_at: datetime
    finished_at: datetime
    rows: int
    files_before: int
    bytes_before: int
    bytes_after: int = 0
    detail: str = ""
    """What was wrong; empty where nothing was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactionReport:
    """One run on one table."""

    table: Table
    skipped: str = ""
    """Why nothing was looked at; empty where the table was."""
    results: tuple[GroupResult, ...] = ()
    open_partitions: int = 0
    compact_partitions: int = 0
    manifests_before: int = 0
    manifests_after: int = 0
    gain: Gain | None = None
    """Of the group that had most files; None where none was rewritten."""

    @property
    def rewritten(self) -> tuple[GroupResult, ...]:
        """The groups that became one file."""
        return tuple(result for result in self.results if result.outcome is Outcome.REWRITTEN)

    @property
    def summary(self) -> str:
        """One line for people."""
        if self.skipped:
            return f"{self.table.name}: {self.skipped}"
        if not self.results and self.manifests_after == self.manifests_before:
            return (
                f"{self.table.name}: nothing to do; {self.compact_partitions} closed partitions are compact, "
                f"{self.open_partitions} are open"
            )
        done = self.rewritten
        return (
            f"{self.table.name}: {sum(each.files_before for each in done):,} files became {len(done):,}, "
            f"{sum(each.rows for each in done):,} rows; {len(self.results) - len(done)} groups left as they were; "
            f"manifests {self.manifests_before} -> {self.manifests_after}"
        )


def kind(table: Table) -> str:
    """How `ops_audit` calls compaction of this table."""
    return f"compaction:{table.name}"


def records(table: Table, results: Iterable[GroupResult], gain: Gain | None) -> list[MaintenanceRecord]:
    """A row a group. The gain stands in the row of the group that it was measured on."""
    rows = []
    for each in results:
        measured: dict[str, float] = {}
        if gain is not None and gain.partition == each.partition and each.outcome is Outcome.REWRITTEN:
            for query in gain.seconds_before:
                measured[f"{query}_seconds_before"] = round(gain.seconds_before[query], 6)
                measured[f"{query}_seconds_after"] = round(gain.seconds_after[query], 6)
        rewritten = each.outcome is Outcome.REWRITTEN
        rows.append(
            MaintenanceRecord(
                run_id=each.id,
                kind=kind(table),
                started_at=each.started_at,
                finished_at=each.finished_at,
                figures={
                    "outcome": each.outcome.value,
                    "partition": partition_start(table, each.partition),
                    "rows": each.rows,
                    "files_before": each.files_before,
                    "files_after": 1 if rewritten else each.files_before,
                    "mean_file_bytes_before": each.bytes_before // max(1, each.files_before),
                    "mean_file_bytes_after": each.bytes_after
                    if rewritten
                    else each.bytes_before // max(1, each.files_before),
                    "detail": each.detail,
                    **measured,
                },
            )
        )
    return rows
