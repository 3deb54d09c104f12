"""Asks REST about symbols that are silent: did they trade meanwhile, and were those trades lost?"""

import logging
import queue
import threading

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.binance.limits import AGG_TRADES_PAGE_LIMIT
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.rest import ExchangeRefusedError, ExchangeRest, ExchangeUnavailableError

logger = logging.getLogger(__name__)

LIVE_LEAD_SECONDS = 3.0
"""A trade that REST knows and the stream has not brought after this time is lost on the way."""
IDLE_SECONDS = 0.5
_BEYOND_ALL_IDS = 1 << 62


class Prober:
    """One request at a time, behind the heal in all but name: a symbol is asked about seldom. Safe for threads."""

    def __init__(self, rest: ExchangeRest, continuity: Continuity, healer: Healer, halt: threading.Event) -> None:
        self._rest = rest
        self._continuity = continuity
        self._healer = healer
        self._halt = halt
        self._waiting: queue.SimpleQueue[tuple[str, int, int, threading.Event]] = queue.SimpleQueue()
        self.probes = 0

    def probe(self, symbol: str, position: int, begun_at_us: int, on_lost: threading.Event) -> None:
        """Ask what the symbol traded behind `position`, and have it healed.

        `on_lost` is set if a trade after `begun_at_us` was among it: the connection should have brought that one.
        """
        self._waiting.put((symbol, position, begun_at_us, on_lost))

    def run(self) -> None:
        """Ask until the gateway halts."""
        while not self._halt.is_set():
            try:
                symbol, position, begun_at_us, on_lost = self._waiting.get(timeout=IDLE_SECONDS)
            except queue.Empty:
                continue
            if self._continuity.position(symbol) == position:  # else it spoke meanwhile
                self._ask(symbol, position, begun_at_us, on_lost)

    def _ask(self, symbol: str, position: int, begun_at_us: int, on_lost: threading.Event) -> None:
        first = self._continuity.missing(symbol, position + 1, _BEYOND_ALL_IDS)[0].first
        try:
            rows = self._rest.agg_trades(symbol, first)
        except (ExchangeUnavailableError, ExchangeRefusedError) as error:
            logger.warning("event=probe_failed symbol=%s reason=%s", symbol, error)
            return
        self.probes += 1
        if not rows:
            return
        newest = rows[-1]

        def note(fetched: int) -> None:
            if fetched and newest.trade_time > begun_at_us:
                logger.warning("event=symbol_was_mute symbol=%s lost=%d", symbol, fetched)
                on_lost.set()
            if fetched and len(rows) == AGG_TRADES_PAGE_LIMIT:
                self.probe(symbol, position, begun_at_us, on_lost)

        self._healer.request(symbol, IdRange(first, newest.agg_id), after_seconds=LIVE_LEAD_SECONDS, on_settled=note)
