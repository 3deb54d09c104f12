"""What the lake says of spikes and their deliveries: reads `crypto_spikes`, reads and appends `ops_deliveries`."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError
from pyiceberg.io.pyarrow import schema_to_pyarrow
from pyiceberg.table import Table as IcebergTable
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from firehose_dagster.alerts.data_files import DataFileCache
from firehose_dagster.alerts.delivery import Delivery, SpikeKey
from firehose_dagster.alerts.message import Spike
from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.contracts.trade_tables import SPIKES
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.iceberg_schema import schema
from firehose_dagster.lake.presence import LAKE_AWAY, lake_was_made
from firehose_dagster.lake.row_filters import all_of, at_least, below, one_of
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

LOOKBACK = timedelta(days=2)
"""Spikes detected, and attempts made, longer ago are not planned any more; a replay brings one back."""
_KEY_COLUMNS = ("spike_id", "symbol", "minute", "kind")
_SPIKE_COLUMNS = tuple(field.name for field in fields(Spike))


class LedgerError(ExplainedError):
    """The lake could not be read or written; the text says which table and why. Nothing is known to be written."""


@dataclass(frozen=True, slots=True)
class LedgerPosition:
    """The snapshots of both tables; while they stay the same nothing was added."""

    spikes_snapshot_id: int | None
    deliveries_snapshot_id: int | None


class Ledger:
    """The two tables behind alerts, through pyiceberg. Keep one per process: it remembers the files it has read.

    Every method raises LedgerError where the lake does not answer or the tables are not there yet.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._recent_spikes = DataFileCache((*_KEY_COLUMNS, "detected_at"))
        self._recent_deliveries = DataFileCache(OPS_DELIVERIES.column_names)

    def position(self) -> LedgerPosition:
        """Where both tables stand; reads no data."""
        return LedgerPosition(
            _snapshot_id(self._load(SPIKES.identifier)), _snapshot_id(self._load(OPS_DELIVERIES.identifier))
        )

    def recent_spikes(self, now: datetime) -> list[SpikeKey]:
        """Spikes detected within `LOOKBACK`, whatever minute they are of."""
        rows = self._read_recent(self._recent_spikes, SPIKES.identifier, "detected_at", now)
        return [_key(row) for row in rows]

    def recent_deliveries(self, now: datetime) -> list[Delivery]:
        """Rows written within `LOOKBACK`."""
        rows = self._read_recent(self._recent_deliveries, OPS_DELIVERIES.identifier, "attempted_at", now)
        return [_delivery(row) for row in rows]

    def spikes(self, keys: Sequence[SpikeKey]) -> dict[str, Spike]:
        """The full rows of `keys` by spike id; one that the table does not hold is left out."""
        if not keys:
            return {}
        minutes = [key.minute for key in keys]
        wanted = all_of(
            one_of("spike_id", (key.spike_id for key in keys)),
            at_least("minute", min(minutes).isoformat()),
            below("minute", (max(minutes) + timedelta(minutes=1)).isoformat()),
        )
        table = self._load(SPIKES.identifier)
        with _failures_of(SPIKES.identifier):
            rows = table.scan(row_filter=wanted, selected_fields=_SPIKE_COLUMNS).to_arrow().to_pylist()
        return {row["spike_id"]: Spike(**row) for row in rows}

    def deliveries_of(self, spike_ids: Iterable[str]) -> list[Delivery]:
        """Every row ever written for these spikes."""
        wanted = frozenset(spike_ids)
        if not wanted:
            return []
        table = self._load(OPS_DELIVERIES.identifier)
        with _failures_of(OPS_DELIVERIES.identifier):
            rows = table.scan(row_filter=one_of("spike_id", wanted)).to_arrow().to_pylist()
        return [_delivery(row) for row in rows]

    def append(self, deliveries: Sequence[Delivery]) -> None:
        """Append rows in one commit; other writers may append at the same time.

        A commit that lost a race is known not to have landed and is made again. One whose fate is unknown is not: it
        ends as LedgerError, and the next plan reads the table to see.
        """
        if not deliveries:
            return
        rows = [_row(delivery) for delivery in deliveries]
        with _failures_of(OPS_DELIVERIES.identifier):
            self._append(pa.Table.from_pylist(rows, schema=schema_to_pyarrow(schema(OPS_DELIVERIES))))

    @retry(
        retry=retry_if_exception_type(CommitFailedException),
        stop=stop_after_attempt(8),
        wait=wait_random_exponential(multiplier=0.05, max=2),
        reraise=True,
    )
    def _append(self, rows: pa.Table) -> None:
        self._load(OPS_DELIVERIES.identifier).append(rows)

    def _read_recent(self, cache: DataFileCache, identifier: str, column: str, now: datetime) -> list[dict[str, Any]]:
        since = now - LOOKBACK
        table = self._load(identifier)
        with _failures_of(identifier):
            rows: list[dict[str, Any]] = cache.read(table, at_least(column, since.isoformat())).to_pylist()
        return [row for row in rows if row[column] >= since]

    def _load(self, identifier: str) -> IcebergTable:
        with _failures_of(identifier):
            return self._catalog.load_table(identifier)


def open_ledger(settings: Settings) -> Ledger:
    """The ledger of this installation's lake. Raises LedgerError where there is no lake yet, or it does not answer."""
    if not lake_was_made(settings):
        raise LedgerError(f"there is no lake in {settings.lake_dir} yet; the stream makes it when it starts")
    with _failures_of("the catalog (FIREHOSE_CATALOG_URI)"):
        return Ledger(open_catalog(settings))


@contextmanager
def _failures_of(identifier: str) -> Iterator[None]:
    try:
        yield
    except NoSuchTableError as error:
        raise LedgerError(f"{identifier} is not there yet; the stream makes it when it starts") from error
    except LAKE_AWAY as error:
        raise LedgerError(f"{identifier}: {type(error).__name__}: {error}") from error


def _snapshot_id(table: IcebergTable) -> int | None:
    snapshot = table.current_snapshot()
    return None if snapshot is None else snapshot.snapshot_id


def _key(row: dict[str, Any]) -> SpikeKey:
    return SpikeKey(**{name: row[name] for name in _KEY_COLUMNS})


def _delivery(row: dict[str, Any]) -> Delivery:
    return Delivery(key=_key(row), **{name: value for name, value in row.items() if name not in _KEY_COLUMNS})


def _row(delivery: Delivery) -> dict[str, object]:
    return {
        name: getattr(delivery.key if name in _KEY_COLUMNS else delivery, name) for name in OPS_DELIVERIES.column_names
    }
