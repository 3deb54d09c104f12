"""What a maintenance run did, as a row of `ops_audit`: the same table that tells of every micro-batch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from firehose_dagster.contracts.columns import Column, Scalar
from firehose_dagster.contracts.ops_tables import OPS_AUDIT

Figure = int | float | str | bool | None


@dataclass(frozen=True, slots=True)
class MaintenanceRecord:
    """One run of one maintenance on one table. `kind` is `<maintenance>:<table>`; times are UTC."""

    run_id: str
    kind: str
    started_at: datetime
    finished_at: datetime
    figures: Mapping[str, Figure]
    """What it did; column `detail`, as JSON."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """Counts of records by their columns, where the run says something about those; else 0."""


def record(catalog: Catalog, *records: MaintenanceRecord) -> None:
    """Append the rows in one commit; other writers may append meanwhile: a lost race is run again.

    Raises ``CommitFailedException`` where every attempt lost. What is not said is 0 or null.
    """
    if records:
        _append(catalog, [_row(each) for each in records])


@retry(
    retry=retry_if_exception_type(CommitFailedException),
    stop=stop_after_attempt(10),
    wait=wait_random_exponential(multiplier=0.05, max=2),
    reraise=True,
)
def _append(catalog: Catalog, rows: list[dict[str, object]]) -> None:
    table = catalog.load_table(OPS_AUDIT.identifier)
    table.append(pa.Table.from_pylist(rows, schema=table.schema().as_arrow()))


def _row(each: MaintenanceRecord) -> dict[str, object]:
    told = {
        "run_id": each.run_id,
        "kind": each.kind,
        "started_at": each.started_at,
        "finished_at": each.finished_at,
        "detail": json.dumps(dict(each.figures), separators=(",", ":")),
        **each.counts,
    }
    return {column.name: told.get(column.name, _nothing(column)) for column in OPS_AUDIT.columns}


def _nothing(column: Column) -> object:
    if not column.required:
        return None
    return [] if column.type is Scalar.LONG_BY_STRING else 0
