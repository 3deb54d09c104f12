"""What `firehose status` tells, as data. Field names are stable: monitors read them. Times are UTC."""

from datetime import datetime
from typing import Literal

import msgspec

Health = Literal["healthy", "degraded", "unusable"]
EXIT_CODES: dict[Health, int] = {"healthy": 0, "degraded": 1, "unusable": 2}


class StreamsHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The streaming query. Counts are since its host started."""

    running: bool
    pid: int | None = None
    started_at: datetime | None = None
    updated_at: datetime | None = None
    """After the newest batch."""
    batches: int = 0
    rows_in: int = 0
    lag_ms: int | None = None
    """From a row's receipt to its commit in silver, the largest of the newest batch."""
    batch_ms: int | None = None
    """How long the newest batch took, up to its commit in silver."""
    watermark: datetime | None = None
    failing: str | None = None
    """Why a layer behind bronze takes no batches; None where all do."""


class GatewayHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The gateway, as it said last."""

    running: bool
    state: str | None = None
    pid: int | None = None
    updated_at: datetime | None = None
    connections: int = 0
    """To the exchange, open now."""
    connections_planned: int = 0
    last_trade_at: datetime | None = None
    outstanding: int = 0
    missing_ids: int = 0
    last_error: str | None = None


class CompletenessHealth(msgspec.Struct, frozen=True, kw_only=True):
    """Of the last 24 hours, by the newest look at each (symbol, hour)."""

    hours: int
    sealed: int
    missing_ids: int
    looked_at: datetime | None


class MaintenanceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The newest run of one maintenance that did something, within the last 8 days."""

    kind: str
    finished_at: datetime
    tables: int
    """On how many tables it did something within that time."""


class TableHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One table, by its metadata."""

    name: str
    rows: int
    data_files: int
    bytes: int
    snapshots: int
    written_at: datetime | None
    partitions: int | None = None
    """None: too many files to look at in a moment."""
    most_files_in_a_partition: int | None = None
    """Where there are too many to look at in a moment, at least: of the newest files."""


class DiskHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The disk that holds the home."""

    total_bytes: int
    free_bytes: int


class StatusReport(msgspec.Struct, frozen=True, kw_only=True):
    """Everything at one time."""

    health: Health
    reasons: list[str]
    """Why it is not healthy; empty where it is."""
    at: datetime
    home: str
    streams: StreamsHealth
    gateway: GatewayHealth
    completeness: CompletenessHealth | None
    """None: never looked at."""
    maintenance: list[MaintenanceHealth]
    tables: list[TableHealth]
    disk: DiskHealth
