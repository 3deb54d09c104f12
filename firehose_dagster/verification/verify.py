"""`firehose verify`: judges every promise on what the lake holds, sharing no code with the pipeline that filled it."""

import logging
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext

import duckdb
import pyarrow as pa

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import stamp
from firehose_dagster.settings import Settings
from firehose_dagster.verification.bronze_offsets import bronze_offsets_are_contiguous
from firehose_dagster.verification.completeness_recomputed import completeness_equals_recomputation
from firehose_dagster.verification.conservation import audit_adds_up, rows_are_conserved
from firehose_dagster.verification.damaged_files import UNREADABLE, files_can_be_read
from firehose_dagster.verification.data_files import NAME as DATA_FILES
from firehose_dagster.verification.data_files import data_files_are_listed_once
from firehose_dagster.verification.gold_recomputed import gold_equals_recomputation
from firehose_dagster.verification.pinned_lake import PinnedLake, pin
from firehose_dagster.verification.quarantine_rows import quarantine_is_explained
from firehose_dagster.verification.report import Check, VerificationReport
from firehose_dagster.verification.silver_against_bronze import rest_is_duplicates, silver_equals_bronze
from firehose_dagster.verification.silver_ids import (
    silver_has_no_duplicates,
    silver_is_contiguous,
    symbol_holdings,
)
from firehose_dagster.verification.silver_values import silver_values_are_valid
from firehose_dagster.verification.spike_events import spikes_have_their_events

logger = logging.getLogger(__name__)

EMPTY = "the lake holds no trade yet"
DAMAGED = "files of the lake are gone or damaged: nothing else could be judged; docs/runbook.md says what to do"
_NOT_JUDGED = "could not be judged: "


def verify(
    settings: Settings, *, holding: Callable[[PinnedLake], AbstractContextManager[None]] = lambda _: nullcontext()
) -> VerificationReport:
    """Pin one consistent state of the lake and judge it, within `holding`. It may be run while the stream writes.

    A check that cannot be made (a value overflows) is a breach that says why. Where that is for a file that is gone or
    damaged, `data_files_are_listed_once` says which, alone where no state of the lake could be pinned. Raises what
    pyiceberg raises when the catalog cannot be reached, and StateExpiredError.
    """
    try:
        with pin(settings) as lake, holding(lake):
            report = _report(lake, settings)
    except UNREADABLE:
        damaged = files_can_be_read(open_catalog(settings))
        if damaged.ok:
            raise
        report = VerificationReport(pinned={}, checks=(damaged,), symbols=(), remarks=(DAMAGED,))
    logger.info("lake verified ok=%s breaches=%d", report.ok, sum(check.breaches for check in report.checks))
    return report


def _report(lake: PinnedLake, settings: Settings) -> VerificationReport:
    holdings = symbol_holdings(lake)
    judges: dict[str, Callable[[], Check]] = {
        "silver_has_no_duplicates": lambda: silver_has_no_duplicates(lake, holdings),
        "silver_is_contiguous": lambda: silver_is_contiguous(holdings),
        "silver_values_are_valid": lambda: silver_values_are_valid(lake),
        "bronze_offsets_are_contiguous": lambda: bronze_offsets_are_contiguous(lake),
        "rows_are_conserved": lambda: rows_are_conserved(lake),
        "audit_adds_up": lambda: audit_adds_up(lake),
        "silver_equals_bronze": lambda: silver_equals_bronze(lake),
        "rest_is_duplicates": lambda: rest_is_duplicates(lake),
        "quarantine_is_explained": lambda: quarantine_is_explained(lake),
        "gold_equals_recomputation": lambda: gold_equals_recomputation(lake, settings),
        "spikes_have_their_events": lambda: spikes_have_their_events(lake),
        "completeness_equals_recomputation": lambda: completeness_equals_recomputation(lake),
        DATA_FILES: lambda: data_files_are_listed_once(lake),
    }
    checks = {name: _judged(name, judge) for name, judge in judges.items()}
    if any(example.startswith(_NOT_JUDGED) for check in checks.values() for example in check.examples):
        damaged = files_can_be_read(lake.catalog)
        if not damaged.ok:
            checks[DATA_FILES] = damaged
    remarks = _remarks(lake, empty=not holdings)
    return VerificationReport(pinned=_pinned(lake), checks=tuple(checks.values()), symbols=holdings, remarks=remarks)


def _judged(name: str, judge: Callable[[], Check]) -> Check:
    try:
        return judge()
    except (duckdb.Error, pa.ArrowException, OSError, ArithmeticError) as error:
        message = " ".join(str(error).split())
        return Check(name=name, table="", figures={}, breaches=1, examples=(f"{_NOT_JUDGED}{message}",))


def _pinned(lake: PinnedLake) -> Mapping[str, int | str]:
    return {
        "silver_snapshot_id": lake.silver_snapshot_id or "none",
        "gold_snapshot_id": lake.gold_snapshot_id or "none",
        "gold_silver_snapshot_id": lake.gold_silver_snapshot_id or "none",
        "position": lake.position.to_json() if lake.position else "none",
    }


def _remarks(lake: PinnedLake, *, empty: bool) -> tuple[str, ...]:
    remarks = []
    if empty:
        remarks.append(EMPTY)
    elif lake.position is None:
        remarks.append(f"no snapshot of {SILVER.name} says which offsets it holds: bronze cannot be compared with it")
    behind = _total_rows(lake, lake.silver_snapshot_id) - _total_rows(lake, lake.gold_silver_snapshot_id)
    if behind > 0:
        remarks.append(f"gold was computed from an earlier state of silver, {behind} rows ago: it was judged on that")
    return tuple(remarks)


def _total_rows(lake: PinnedLake, snapshot_id: int | None) -> int:
    silver = lake.tables.get(SILVER.name)
    snapshot = None if silver is None or snapshot_id is None else silver.snapshot_by_id(snapshot_id)
    return 0 if snapshot is None else int(stamp(snapshot, "total-records") or 0)
