"""The buffer of audit rows where the answer to a commit is lost: what was written is not written again."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import AUDIT
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import NO_ROWS, AuditBuffer, BatchAudit
from firehose_dagster.streams.lost_offsets import accept_loss

NINE = datetime(2026, 1, 5, 9, tzinfo=UTC)
BATCHES = [
    replace(NO_ROWS, run_id=f"query/{number}", kind="micro_batch", started_at=at, finished_at=at)
    for number in range(3)
    for at in [NINE + timedelta(seconds=number)]
]


@dataclass
class Writer:
    """Appends to `ops_audit`, once more than the caller learns of or once less."""

    catalog: Catalog
    commits_unheard: bool = False
    fails: bool = False
    asked: list[list[str]] = field(default_factory=list)

    def arrow(self, columns: Mapping[str, list[Any]]) -> pa.Table:
        return pa.table(dict(columns), schema=self.catalog.load_table(OPS_AUDIT.identifier).schema().as_arrow())

    def append(self, rows: pa.Table, properties: Mapping[str, str]) -> None:
        self.asked.append(rows.column("run_id").to_pylist())
        if not self.fails:
            self.catalog.load_table(OPS_AUDIT.identifier).append(rows, dict(properties))
        if self.fails or self.commits_unheard:
            raise ConnectionError("the catalog did not answer")


@dataclass
class Teller:
    """As the passes tell of what is about no batch."""

    buffer: AuditBuffer

    def tell(self, audit: BatchAudit) -> None:
        self.buffer.add(audit)
        self.buffer.flush()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", lost_offsets="skip")


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    catalog = open_catalog(settings)
    create_tables(catalog)
    return catalog


def _buffer(catalog: Catalog, writer: Writer) -> AuditBuffer:
    return AuditBuffer(catalog, cast(DriverTable, writer))


def _committed(catalog: Catalog) -> None:
    """Silver has the batches, and tells of each."""
    silver = catalog.load_table(SILVER.identifier)
    for audit in BATCHES:
        silver.append(silver.schema().as_arrow().empty_table(), snapshot_properties={AUDIT: audit.to_json()})


def _told(catalog: Catalog) -> list[str]:
    rows = catalog.load_table(OPS_AUDIT.identifier).scan(selected_fields=("run_id",)).to_arrow()
    return sorted(rows.column("run_id").to_pylist())


@pytest.mark.parametrize("was_committed", [True, False])
def test_rows_whose_commit_is_not_known_are_written_once_by_the_next_start(
    catalog: Catalog, *, was_committed: bool
) -> None:
    _committed(catalog)
    writer = Writer(catalog, commits_unheard=was_committed, fails=not was_committed)
    buffer = _buffer(catalog, writer)
    for audit in BATCHES:
        buffer.add(audit)
    with pytest.raises(ConnectionError):
        buffer.flush()
    # A host that ends by an error writes what is buffered: this is not, for it may be there.
    buffer.flush()
    assert len(writer.asked) == 1
    assert _buffer(catalog, Writer(catalog)).rebuild() == (0 if was_committed else 3)
    assert _told(catalog) == ["query/0", "query/1", "query/2"]


@pytest.mark.parametrize("was_committed", [True, False])
def test_a_loss_whose_commit_is_not_known_is_told_once_by_the_next_start(
    settings: Settings, catalog: Catalog, *, was_committed: bool
) -> None:
    buffer = _buffer(catalog, Writer(catalog, commits_unheard=was_committed, fails=not was_committed))
    with pytest.raises(ConnectionError):
        accept_loss(settings, catalog, Teller(buffer), {0: (4, 7)})
    buffer.flush()
    accept_loss(settings, catalog, Teller(_buffer(catalog, Writer(catalog))), {0: (4, 7)})
    assert len(_told(catalog)) == 1
