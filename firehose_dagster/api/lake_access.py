"""The lake behind the API: opened at the first request, read at pinned snapshots, failures told apart."""

import logging
import tempfile
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import duckdb
from pyiceberg.catalog import Catalog

from firehose_dagster.alerts.ledger import Ledger, LedgerError
from firehose_dagster.api.gold_minutes import GoldMinutes
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.local_files import LocalFiles
from firehose_dagster.api.pinned_tables import Pin, PinnedTables
from firehose_dagster.api.problems import ApiProblem
from firehose_dagster.api.pulse_reader import PulseReader
from firehose_dagster.api.spike_events import SpikeEvents
from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.presence import LAKE_AWAY, lake_was_made
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

Answer = TypeVar("Answer")

_GONE = (FileNotFoundError, duckdb.IOException)
_AWAY: tuple[type[Exception], ...] = (*LAKE_AWAY, LedgerError)


@dataclass(frozen=True, slots=True)
class Pins:
    """The snapshots that one answer is computed from."""

    by_name: Mapping[str, Pin]
    read_at: datetime
    """When they were looked up; the tables may have moved on by up to a second before."""

    def __getitem__(self, contract: Table) -> Pin:
        return self.by_name[contract.name]

    def snapshot_ids(self) -> dict[str, str | None]:
        """As the API shows them."""
        return {name: None if pin.snapshot_id is None else str(pin.snapshot_id) for name, pin in self.by_name.items()}


class LakeAccess:
    """One per process. `close` gives the copies of remote files back."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._folder = tempfile.TemporaryDirectory(prefix="firehose-api-", ignore_cleanup_errors=True)
        self._opening = threading.Lock()
        self.writing = threading.Lock()
        """Held while an acknowledgement is looked up and written, so that two at once write one row."""
        self.reader = LakeReader(LocalFiles(Path(self._folder.name)))
        self.gold = GoldMinutes(self.reader)
        self.pulse = PulseReader(self.reader, self.gold)
        self.spikes = SpikeEvents(self.reader)

    def answer(self, contracts: Sequence[Table], compute: Callable[[Pins], Answer]) -> tuple[Pins, Answer]:
        """Pin the tables and compute; once more from newer snapshots where files are gone meanwhile.

        Raises ApiProblem: `snapshot-expired` where files were gone twice, `lake-unavailable` where the catalog or the
        storage does not answer.
        """
        try:
            return self._answer(contracts, compute)
        except _GONE as error:
            logger.info("files were gone, looking again error=%s", error)
            self.forget(contracts)
        try:
            return self._answer(contracts, compute)
        except _GONE as error:
            raise ApiProblem("snapshot-expired", "files of the snapshot are gone: it was expired; ask again") from error

    def forget(self, contracts: Sequence[Table]) -> None:
        """Look up the snapshots of these tables at the next answer."""
        for contract in contracts:
            self._tables.forget(contract)

    @cached_property
    def ledger(self) -> Ledger:
        """Spikes and deliveries, for writing. Raises what the catalog raises."""
        return Ledger(self._catalog)

    def close(self) -> None:
        """No answer may follow."""
        self.reader.close()
        self._folder.cleanup()

    def _answer(self, contracts: Sequence[Table], compute: Callable[[Pins], Answer]) -> tuple[Pins, Answer]:
        try:
            with self._opening:
                tables = self._tables
            pins = Pins({contract.name: tables.pin(contract) for contract in contracts}, datetime.now(UTC))
            return pins, compute(pins)
        except FileNotFoundError:
            raise
        except _AWAY as error:
            logger.warning("the lake does not answer error=%s: %s", type(error).__name__, error)
            raise ApiProblem("lake-unavailable", "the catalog or the storage of the lake does not answer") from error

    @cached_property
    def _catalog(self) -> Catalog:
        if not lake_was_made(self._settings):
            detail = f"there is no lake in {self._settings.lake_dir} yet; the stream makes it when it starts"
            raise ApiProblem("lake-unavailable", detail)
        return open_catalog(self._settings)

    @cached_property
    def _tables(self) -> PinnedTables:
        return PinnedTables(self._catalog)
