"""Pages of what the system wrote down of itself: completeness by hour, and the audit."""

import json
from datetime import timedelta

from firehose_dagster.api.conditions import Condition
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.newest_first import NewestFirst
from firehose_dagster.api.paging import Page
from firehose_dagster.api.parameters import AuditParameters, CompletenessParameters
from firehose_dagster.api.pinned_tables import Pin

_HOURS = NewestFirst("hour", "symbol", step=timedelta(hours=1), span=timedelta(days=7))
_RUNS = NewestFirst("started_at", "run_id", step=timedelta(microseconds=1), span=timedelta(hours=24))

# The newest look at an hour counts; older rows of it are history.
_NEWEST_LOOK = """
QUALIFY row_number() OVER (PARTITION BY symbol, "hour" ORDER BY checked_at DESC, seal_version DESC) = 1
AND (missing > 0 OR NOT ?)"""


def completeness_page(reader: LakeReader, pin: Pin, query: CompletenessParameters) -> Page:
    """The newest look at each hour of each symbol, newest hour first. Raises CursorError."""
    conditions = [Condition("symbol", "in", query.symbol_list)] if query.symbols else []
    page = _HOURS.page(reader, pin, query, conditions, _NEWEST_LOOK, [query.only_incomplete])
    rows = [row | {"missing_ranges": json.loads(row["missing_ranges"])} for row in page.rows]
    return Page(rows, page.next_cursor)


def audit_page(reader: LakeReader, pin: Pin, query: AuditParameters) -> Page:
    """Batches and maintenance runs, newest first. Raises CursorError."""
    conditions = [] if query.kind is None else [Condition("kind", "=", query.kind)]
    return _RUNS.page(reader, pin, query, conditions)
