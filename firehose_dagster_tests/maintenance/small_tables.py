"""A real Iceberg table on disk with a handful of small commits, and which file is reached, by reading it all."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.table import Table
from pyiceberg.table.snapshots import Snapshot
from pyiceberg.table.statistics import StatisticsFile
from pyiceberg.table.update import SetPartitionStatisticsUpdate

from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.contracts.table import NAMESPACE
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.iceberg_schema import partition_spec, schema
from firehose_dagster.settings import Settings

IDENTIFIER = OPS_DELIVERIES.identifier
START = datetime(2026, 3, 1, tzinfo=UTC)


def make_lake(home: Path, **changes: Any) -> tuple[Settings, Catalog]:
    """The lake of an empty home with just this table."""
    settings = Settings(home=home, **changes)
    catalog = open_catalog(settings)
    catalog.create_namespace_if_not_exists(NAMESPACE)
    catalog.create_table(
        IDENTIFIER,
        schema=schema(OPS_DELIVERIES),
        partition_spec=partition_spec(OPS_DELIVERIES),
        properties=dict(OPS_DELIVERIES.properties),
    )
    return settings, catalog


def append(catalog: Catalog, day: int, **stamps: str) -> int:
    """One commit with one row, in the partition of a day; its snapshot id."""
    table = catalog.load_table(IDENTIFIER)
    table.append(_rows(table, day), snapshot_properties=stamps)
    return current_id(catalog)


def overwrite(catalog: Catalog, day: int) -> int:
    """Replace all rows of a day by one; the id of the last snapshot."""
    table = catalog.load_table(IDENTIFIER)
    table.overwrite(_rows(table, day), overwrite_filter=f"spike_id = 'spike-{day}'")
    return current_id(catalog)


def add_statistics(catalog: Catalog, snapshot_id: int, path: Path, partition_path: Path) -> None:
    """Let the table name these files as the statistics of a snapshot, as other engines do; 3 bytes each."""
    told = {"snapshot-id": snapshot_id, "file-size-in-bytes": 3}
    of_table = {"statistics-path": f"file://{path}", "file-footer-size-in-bytes": 1, "blob-metadata": []}
    table = catalog.load_table(IDENTIFIER)
    table.update_statistics().set_statistics(StatisticsFile.model_validate(told | of_table)).commit()
    of_partitions = told | {"statistics-path": f"file://{partition_path}"}
    update = SetPartitionStatisticsUpdate.model_validate({"partition-statistics": of_partitions})
    catalog.commit_table(catalog.load_table(IDENTIFIER), (), (update,))


def current_id(catalog: Catalog) -> int:
    snapshot = catalog.load_table(IDENTIFIER).current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def _rows(table: Table, day: int) -> pa.Table:
    at = START + timedelta(days=day)
    row = {
        "spike_id": f"spike-{day}",
        "symbol": "ALPHA",
        "minute": at,
        "kind": "price",
        "attempt": 1,
        "outcome": "delivered",
        "attempted_at": at,
        "duration_ms": 1,
        "run_id": "run",
    }
    schema = table.schema().as_arrow()
    return pa.Table.from_pylist([{name: row.get(name) for name in schema.names} for row in [row]], schema=schema)


def reached(table: Table, snapshots: Iterable[Snapshot]) -> set[str]:
    """Every file that the snapshots need, by reading each of their manifests in full."""
    found: set[str] = set()
    for snapshot in snapshots:
        found.add(snapshot.manifest_list)
        for manifest in snapshot.manifests(table.io):
            found.add(manifest.manifest_path)
            found |= {entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io)}
    return found


def on_disk(table: Table, folder: str) -> set[str]:
    """The files of the table's folder `data` or `metadata`, as locations."""
    root = Path(table.location().removeprefix("file://")) / folder
    return {f"file://{path}" for path in root.rglob("*") if path.is_file()}
