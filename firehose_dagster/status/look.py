"""Reads how an installation is, in a moment: small files, the operating system, Iceberg's metadata. No Spark."""

import shutil
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS
from firehose_dagster.contracts.position import AUDIT, WATERMARK
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.gateway.status import is_alive, read_status
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.presence import LAKE_AWAY, lake_was_made
from firehose_dagster.lake.row_filters import at_least
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.settings import Settings
from firehose_dagster.status.judgement import judge
from firehose_dagster.status.report import (
    CompletenessHealth,
    DiskHealth,
    GatewayHealth,
    MaintenanceHealth,
    StatusReport,
    StreamsHealth,
    TableHealth,
)
from firehose_dagster.streams.lease import lease_is_held
from firehose_dagster.streams.progress import read_progress

_UNREADABLE: tuple[type[Exception], ...] = (*LAKE_AWAY, ValueError)
_MAINTENANCE_LOOKBACK = timedelta(days=8)
_COMPLETENESS_LOOKBACK = timedelta(hours=24)
_MOST_FILES_LOOKED_AT = 20_000
"""Of a table. A manifest's entries are read at about 20,000 a second."""


def look(settings: Settings) -> StatusReport:
    """How the installation is now. A lake that cannot be read is part of the answer, not an error."""
    now = datetime.now(UTC)
    tables: dict[str, IcebergTable] = {}
    error: str | None = None
    try:
        tables = _load(settings)
        if not tables:
            error = f"there is no lake under {settings.home}: start with `make demo`, or `firehose streams`"
        audit = _maintenance(tables.get(OPS_AUDIT.name), now)
        completeness = _completeness(tables.get(OPS_COMPLETENESS.name), now)
        shown = [_table(name, table) for name, table in tables.items()]
    except _UNREADABLE as failure:
        error = f"the lake cannot be read: {type(failure).__name__}: {str(failure).splitlines()[0]}"
        audit, completeness, shown = [], None, []
    streams, gateway = _streams(settings, tables.get(SILVER.name)), _gateway(settings, now)
    disk = _disk(settings)
    health, reasons = judge(now, streams, gateway, completeness, shown, disk, error)
    return StatusReport(
        health=health,
        reasons=reasons,
        at=now,
        home=str(settings.home),
        streams=streams,
        gateway=gateway,
        completeness=completeness,
        maintenance=audit,
        tables=shown,
        disk=disk,
    )


def _load(settings: Settings) -> dict[str, IcebergTable]:
    # Looking at a home must not make a lake there.
    if not lake_was_made(settings):
        return {}
    catalog = open_catalog(settings)
    return {table.name: held for table in TABLES if (held := _load_table(catalog, table.identifier)) is not None}


def _load_table(catalog: Catalog, identifier: str) -> IcebergTable | None:
    try:
        return catalog.load_table(identifier)
    except NoSuchTableError:
        return None


class _Stamped(msgspec.Struct, frozen=True):
    started_at: datetime
    finished_at: datetime


def _streams(settings: Settings, silver: IcebergTable | None) -> StreamsHealth:
    progress = read_progress(settings)
    stamped = None if silver is None else newest_stamp(silver, AUDIT)
    batch = None if stamped is None else msgspec.json.decode(stamped, type=_Stamped)
    watermark = None if silver is None else newest_stamp(silver, WATERMARK)
    return StreamsHealth(
        running=lease_is_held(settings),
        pid=None if progress is None else progress.pid,
        started_at=None if progress is None else progress.started_at,
        updated_at=None if progress is None else progress.updated_at,
        batches=0 if progress is None else progress.batches,
        rows_in=0 if progress is None else progress.rows_in,
        lag_ms=None if progress is None else progress.lag_ms,
        batch_ms=None if batch is None else (batch.finished_at - batch.started_at) // timedelta(milliseconds=1),
        watermark=None if watermark is None else from_microseconds(int(watermark)),
        failing=None if progress is None else progress.failing,
    )


def _gateway(settings: Settings, now: datetime) -> GatewayHealth:
    try:
        status = read_status(settings)
    except msgspec.DecodeError as error:
        return GatewayHealth(running=False, last_error=f"its status file cannot be read: {error}")
    if status is None:
        return GatewayHealth(running=False)
    return GatewayHealth(
        running=is_alive(status, now),
        state=status.state,
        pid=status.pid,
        updated_at=status.updated_at,
        connections=status.connections,
        connections_planned=status.connections_planned,
        last_trade_at=status.last_trade_at,
        outstanding=status.outstanding,
        missing_ids=status.missing_ids,
        last_error=status.last_error,
    )


def _maintenance(audit: IcebergTable | None, now: datetime) -> list[MaintenanceHealth]:
    if audit is None:
        return []
    since = (now - _MAINTENANCE_LOOKBACK).isoformat()
    scan = audit.scan(
        row_filter=f"kind != 'micro_batch' and started_at >= '{since}'", selected_fields=("kind", "finished_at")
    )
    newest: dict[str, datetime] = {}
    tables: dict[str, set[str]] = {}
    for row in scan.to_arrow().to_pylist():
        kind, _, table = row["kind"].partition(":")
        newest[kind] = max(row["finished_at"], newest.get(kind, row["finished_at"]))
        tables.setdefault(kind, set()).add(table)
    return [
        MaintenanceHealth(kind=kind, finished_at=at, tables=len(tables[kind])) for kind, at in sorted(newest.items())
    ]


def _completeness(table: IcebergTable | None, now: datetime) -> CompletenessHealth | None:
    if table is None or table.current_snapshot() is None:
        return None
    since = (now - _COMPLETENESS_LOOKBACK).isoformat()
    fields = ("symbol", "hour", "missing", "is_sealed", "checked_at")
    rows = table.scan(row_filter=at_least("hour", since), selected_fields=fields).to_arrow().to_pylist()
    newest: dict[tuple[str, datetime], Mapping[str, Any]] = {}
    for row in sorted(rows, key=lambda each: each["checked_at"]):
        newest[row["symbol"], row["hour"]] = row
    return CompletenessHealth(
        hours=len(newest),
        sealed=sum(bool(row["is_sealed"]) for row in newest.values()),
        missing_ids=sum(row["missing"] for row in newest.values()),
        looked_at=max((row["checked_at"] for row in newest.values()), default=None),
    )


def _table(name: str, table: IcebergTable) -> TableHealth:
    snapshot = table.current_snapshot()
    if snapshot is None or snapshot.summary is None:
        return TableHealth(name=name, rows=0, data_files=0, bytes=0, snapshots=0, written_at=None)
    summary = snapshot.summary.additional_properties
    data_files = int(summary.get("total-data-files", "0"))
    files = _files_by_partition(table)
    return TableHealth(
        name=name,
        rows=int(summary.get("total-records", "0")),
        data_files=data_files,
        bytes=int(summary.get("total-files-size", "0")),
        snapshots=len(table.metadata.snapshots),
        written_at=datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC),
        partitions=len(files) if files.total() >= data_files else None,
        most_files_in_a_partition=max(files.values(), default=0),
    )


def _files_by_partition(table: IcebergTable) -> Counter[str]:
    """Of the newest files where there are many: those that compaction has not come to are among them."""
    snapshot = table.current_snapshot()
    assert snapshot is not None  # noqa: S101 - told by the caller
    files: Counter[str] = Counter()
    for manifest in sorted(snapshot.manifests(table.io), key=lambda each: -each.sequence_number):
        if files.total() >= _MOST_FILES_LOOKED_AT:
            break
        entries = manifest.fetch_manifest_entry(table.io, discard_deleted=True)
        files.update(str(entry.data_file.partition) for entry in entries)
    return files


def _disk(settings: Settings) -> DiskHealth:
    place = next(each for each in (settings.home, *settings.home.parents) if each.exists())
    usage = shutil.disk_usage(place)
    return DiskHealth(total_bytes=usage.total, free_bytes=usage.free)
