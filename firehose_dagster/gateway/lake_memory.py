"""What the lake remembers for the gateway: the last id of quiet symbols, and the holes that the exchange itself has.

The lake may be absent, or away: then nothing is known, the gateway works on, and writes when it is there.
"""

import logging
import threading
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError

from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.exchange_holes import ExchangeHole, append_holes, read_holes
from firehose_dagster.lake.presence import LAKE_AWAY, lake_was_made
from firehose_dagster.lake.query import QueryError, run_query
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

APPEND_EVERY_SECONDS = 2.0
RETRY_SECONDS = 30.0
_AWAY: tuple[type[Exception], ...] = (*LAKE_AWAY, QueryError)
_LAST_IDS = "SELECT symbol, max(last_agg_id) AS last_agg_id FROM crypto_gold_minute GROUP BY symbol"


class LakeAwayError(Exception):
    """The lake does not answer."""


class NoLakeYetError(LakeAwayError):
    """There is none yet, or it has no tables: it holds nothing."""


class LakeMemory:
    """Safe for threads. No method raises where the lake is away."""

    def __init__(self, settings: Settings, halt: threading.Event) -> None:
        self._settings = settings
        self._halt = halt
        self._lock = threading.Lock()
        self._unwritten: list[ExchangeHole] = []
        self._catalog: Catalog | None = None
        self.last_error: str | None = None

    def last_ids(self, symbols: Collection[str]) -> dict[str, int] | None:
        """The highest id that gold tells of, for those of the symbols that it has; None where it does not answer."""
        if not symbols:
            return {}
        try:
            with self._failures():
                self._open().load_table(GOLD.identifier)
                rows = run_query(self._settings, _LAST_IDS).to_pylist()
        except LakeAwayError as error:
            logger.info("event=lake_away wanted=last_ids symbols=%d reason=%s", len(symbols), error)
            return {} if isinstance(error, NoLakeYetError) else None
        wanted = frozenset(symbols)
        return {
            row["symbol"]: row["last_agg_id"]
            for row in rows
            if row["symbol"] in wanted and row["last_agg_id"] is not None
        }

    def known_holes(self) -> list[ExchangeHole]:
        """The ids that the exchange was found not to have, by this gateway or one before it."""
        try:
            with self._failures():
                return read_holes(self._open().load_table(OPS_EXCHANGE_HOLES.identifier))
        except LakeAwayError as error:
            logger.info("event=lake_away wanted=exchange_holes reason=%s", error)
            return []

    def record(self, hole: ExchangeHole) -> None:
        """Have a hole appended to `ops_exchange_holes`; returns at once."""
        with self._lock:
            self._unwritten.append(hole)

    def run(self) -> None:
        """Append what is recorded until the gateway halts, and once more then."""
        wait = APPEND_EVERY_SECONDS
        while not self._halt.wait(wait):
            wait = APPEND_EVERY_SECONDS if self._append() else RETRY_SECONDS
        self._append()

    def _append(self) -> bool:
        with self._lock:
            holes = list(self._unwritten)
        if not holes:
            return True
        try:
            with self._failures():
                append_holes(self._open(), holes)
        except LakeAwayError as error:
            # Found again by REST after a restart, should it never be written.
            self.last_error = f"{len(holes)} exchange holes are not written: {error}"
            logger.warning("event=exchange_holes_not_written holes=%d reason=%s", len(holes), error)
            return False
        with self._lock:
            del self._unwritten[: len(holes)]
        self.last_error = None
        logger.info("event=exchange_holes_written holes=%d", len(holes))
        return True

    def _open(self) -> Catalog:
        if not lake_was_made(self._settings):
            raise NoLakeYetError("there is no lake in this home yet")
        if self._catalog is None:
            self._catalog = open_catalog(self._settings)
        return self._catalog

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except NoSuchTableError as error:
            raise NoLakeYetError("the stream has not made its tables yet") from error
        except _AWAY as error:
            self._catalog = None
            raise LakeAwayError(f"{type(error).__name__}: {error}") from error
