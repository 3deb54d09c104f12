"""Pages of what the system wrote down of itself: completeness by hour, and the audit."""

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from firehose_dagster.api.conditions import Condition
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.paging import Page, Scope, Window, behind, newest_first
from firehose_dagster.api.pinned_tables import Pin

COMPLETENESS_SPAN = timedelta(days=7)
AUDIT_SPAN = timedelta(hours=24)

# The newest look at an hour counts; older rows of it are history.
_NEWEST_LOOK = """
QUALIFY row_number() OVER (PARTITION BY symbol, "hour" ORDER BY checked_at DESC, seal_version DESC) = 1
AND (missing > 0 OR NOT ?)"""


def completeness_page(
    reader: LakeReader,
    pin: Pin,
    symbols: Sequence[str],
    start: datetime | None,
    end: datetime | None,
    only_incomplete: bool,
    limit: int,
    cursor: str | None,
) -> Page:
    """The newest look at each hour of each symbol, newest hour first. Raises CursorError."""
    scope = Scope(f"completeness|{','.join(symbols)}|{start}|{end}|{only_incomplete}")
    newest = pin.newest("hour")
    held_until = None if newest is None else newest + timedelta(hours=1)
    conditions = Window.of(start, end, held_until, COMPLETENESS_SPAN).conditions("hour")
    if symbols:
        conditions.append(Condition("symbol", "in", list(symbols)))
    tail, parameters = "", list[Any]()
    if cursor is not None:
        tail, parameters, pruning = behind("hour", "symbol", scope.position(cursor, 2))
        conditions += pruning
    rows = reader.rows(
        pin,
        conditions,
        f"{tail} {_NEWEST_LOOK} {newest_first('hour', 'symbol')}",
        [*parameters, only_incomplete, limit + 1],
    )
    shown = [row | {"missing_ranges": json.loads(row["missing_ranges"])} for row in rows]
    return scope.page(shown, limit, lambda row: [row["hour"], row["symbol"]])


def audit_page(
    reader: LakeReader,
    pin: Pin,
    kind: str | None,
    start: datetime | None,
    end: datetime | None,
    limit: int,
    cursor: str | None,
) -> Page:
    """Batches and maintenance runs, newest first. Raises CursorError."""
    scope = Scope(f"audit|{kind}|{start}|{end}")
    newest = pin.newest("started_at")
    held_until = None if newest is None else newest + timedelta(microseconds=1)
    conditions = Window.of(start, end, held_until, AUDIT_SPAN).conditions("started_at")
    if kind is not None:
        conditions.append(Condition("kind", "=", kind))
    tail, parameters = "", list[Any]()
    if cursor is not None:
        tail, parameters, pruning = behind("started_at", "run_id", scope.position(cursor, 2))
        conditions += pruning
    rows = reader.rows(pin, conditions, f"{tail} {newest_first('started_at', 'run_id')}", [*parameters, limit + 1])
    return scope.page(rows, limit, lambda row: [row["started_at"], row["run_id"]])
