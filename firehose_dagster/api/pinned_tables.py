"""Tables as they are now, each pinned to one snapshot for as long as an answer is computed from it."""

import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.api.conditions import DataFile
from firehose_dagster.api.file_index import FileIndex, SnapshotFiles
from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS, OPS_DELIVERIES
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import GOLD, SPIKES

FRESH_SECONDS = 1.0
"""An answer is at most this much older than the lake."""

BOUNDED_COLUMNS: Mapping[str, Collection[str]] = {
    GOLD.name: ("symbol", "minute"),
    SPIKES.name: ("symbol", "minute", "spike_id"),
    OPS_DELIVERIES.name: ("spike_id",),
    OPS_COMPLETENESS.name: ("symbol", "hour"),
    OPS_AUDIT.name: ("started_at",),
}
"""The tables served, and by which columns their files are pruned."""


@dataclass(frozen=True)
class Pin:
    """One table at one snapshot. `snapshot_id` is None while the table holds nothing or is not made yet."""

    contract: Table
    table: IcebergTable | None
    snapshot_id: int | None
    index: FileIndex

    @property
    def name(self) -> str:
        """The table's name in the contracts."""
        return self.contract.name

    @cached_property
    def snapshot_files(self) -> SnapshotFiles:
        """The files of the snapshot. Raises OSError where it was expired."""
        snapshot = (
            None if self.table is None or self.snapshot_id is None else self.table.snapshot_by_id(self.snapshot_id)
        )
        if self.table is None or snapshot is None:
            return SnapshotFiles((), has_row_deletes=False)
        return self.index.files(self.table, snapshot)

    @property
    def files(self) -> tuple[DataFile, ...]:
        """The data files."""
        return self.snapshot_files.data

    def newest(self, column: str) -> Any | None:
        """The highest value of a bounded column, by the files' own figures; None for a table without rows."""
        return max((file.bounds[column][1] for file in self.files if column in file.bounds), default=None)


class PinnedTables:
    """Pins of all tables served; asks the catalog again after `FRESH_SECONDS`. Safe to use from several threads."""

    def __init__(self, catalog: Catalog, clock: Callable[[], float] = time.monotonic) -> None:
        self._catalog = catalog
        self._clock = clock
        self._indexes = {name: FileIndex(columns) for name, columns in BOUNDED_COLUMNS.items()}
        self._locks = {name: threading.Lock() for name in BOUNDED_COLUMNS}
        self._pins: dict[str, tuple[float, Pin]] = {}

    def pin(self, contract: Table) -> Pin:
        """The table as it is now. Equal snapshots give the same object. Raises what the catalog raises."""
        with self._locks[contract.name]:
            held = self._pins.get(contract.name)
            if held is not None and self._clock() - held[0] < FRESH_SECONDS:
                return held[1]
            asked_at = self._clock()
            pin = self._load(contract)
            if held is not None and held[1].snapshot_id == pin.snapshot_id:
                pin = held[1]
            self._pins[contract.name] = (asked_at, pin)
            return pin

    def forget(self, contract: Table) -> None:
        """Ask the catalog at the next `pin`, for the table was just written or what was read is gone."""
        with self._locks[contract.name]:
            self._pins.pop(contract.name, None)

    def _load(self, contract: Table) -> Pin:
        try:
            table = self._catalog.load_table(contract.identifier)
        except NoSuchTableError:
            return Pin(contract, None, None, self._indexes[contract.name])
        snapshot = table.current_snapshot()
        return Pin(contract, table, None if snapshot is None else snapshot.snapshot_id, self._indexes[contract.name])
