"""Missing ids are fetched by REST, page by page, while the live stream goes on."""

import heapq
import logging
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.gateway.backoff import backoff_seconds
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.publisher import Publisher
from firehose_dagster.gateway.rest import ExchangeRefusedError, ExchangeRest, ExchangeUnavailableError, RestTrade

logger = logging.getLogger(__name__)

EMPTY_PAGE_TRIES = 12
"""REST reads a database that may be behind the stream, so an empty page proves nothing; after so many we give up."""
IDLE_WAIT_SECONDS = 0.5
MINUTE_SECONDS = 60.0


@dataclass(order=True)
class _Hole:
    """Ids of one symbol to fetch, and how far that is; ordered by when the next page is due."""

    due_at: float
    number: int
    symbol: str = field(compare=False)
    ids: IdRange = field(compare=False)
    position: int = field(compare=False)
    empty_pages: int = field(compare=False, default=0)
    waits: Iterator[float] = field(compare=False, default_factory=backoff_seconds)


class Healer:
    """Fetches the holes it is told, a page of one hole at a time, and produces what the topic does not hold.

    What is not healed when the gateway ends is found again at the next start.
    """

    def __init__(self, rest: ExchangeRest, continuity: Continuity, publisher: Publisher, halt: threading.Event) -> None:
        self._rest = rest
        self._continuity = continuity
        self._publisher = publisher
        self._halt = halt
        self._lock = threading.Lock()
        self._holes: list[_Hole] = []
        self._number = 0
        self._waits = backoff_seconds()
        self.gaps_healed = 0
        self.healed_ids = 0
        self.absent_ids = 0
        self.unresolved_ids = 0
        self.last_error: str | None = None

    @property
    def gaps_found(self) -> int:
        """Holes told so far."""
        return self._number

    def request(self, symbol: str, ids: IdRange) -> None:
        """Have these ids fetched; returns at once."""
        with self._lock:
            self._number += 1
            heapq.heappush(self._holes, _Hole(time.monotonic(), self._number, symbol, ids, ids.first))
        logger.warning(
            "event=gap_found symbol=%s first_missing=%d last_missing=%d ids=%d", symbol, ids.first, ids.last, len(ids)
        )

    def missing_ids(self) -> int:
        """Ids not yet healed, among the holes told."""
        with self._lock:
            holes = list(self._holes)
        return sum(
            len(part) for hole in holes for part in self._continuity.missing(hole.symbol, hole.position, hole.ids.last)
        )

    def run(self) -> None:
        """Heal until the gateway halts. Raises DeliveryFailedError as the publisher does."""
        while not self._halt.is_set():
            with self._lock:
                hole = self._holes[0] if self._holes else None
            if hole is None or hole.due_at > time.monotonic():
                self._halt.wait(IDLE_WAIT_SECONDS)
                continue
            is_done = self._fetch_page(hole)
            with self._lock:
                self._holes.remove(hole)
                if not is_done:
                    self._holes.append(hole)
                heapq.heapify(self._holes)

    def _fetch_page(self, hole: _Hole) -> bool:
        """One page of a hole; True when nothing of it is left to fetch."""
        missing = self._continuity.missing(hole.symbol, hole.position, hole.ids.last)
        if not missing:
            return self._finish(hole)
        hole.position = missing[0].first
        try:
            page = self._rest.agg_trades(hole.symbol, hole.position)
        except ExchangeUnavailableError as error:
            self._pause(error, hole)
            return False
        except ExchangeRefusedError as error:
            self.last_error = str(error)
            return self._note_no_page(hole, str(error))
        self._waits = backoff_seconds()
        if not page:
            return self._note_no_page(hole, "the exchange has no trade from there on")
        hole.empty_pages = 0
        self._produce(hole, page)
        if self._rest.is_near_weight_limit:
            self._halt.wait(MINUTE_SECONDS - time.time() % MINUTE_SECONDS)
        return hole.position > hole.ids.last and self._finish(hole)

    def _produce(self, hole: _Hole, page: list[RestTrade]) -> None:
        received_at = time.time_ns() // 1_000
        for trade in page:
            if trade.agg_id > hole.ids.last:
                break
            if self._continuity.hold(hole.symbol, trade.agg_id):
                self._publisher.publish(_message(hole.symbol, trade, received_at))
                self.healed_ids += 1
        # The page goes on behind them, so ids that it leaves out do not exist.
        end = min(page[-1].agg_id, hole.ids.last)
        for absent in self._continuity.missing(hole.symbol, hole.position, end):
            self._continuity.hold_range(hole.symbol, absent)
            self.absent_ids += len(absent)
            logger.warning(
                "event=ids_absent_at_exchange symbol=%s first=%d last=%d", hole.symbol, absent.first, absent.last
            )
        hole.position = end + 1

    def _finish(self, hole: _Hole) -> bool:
        self.gaps_healed += 1
        logger.info("event=gap_healed symbol=%s first=%d last=%d", hole.symbol, hole.ids.first, hole.ids.last)
        return True

    def _note_no_page(self, hole: _Hole, reason: str) -> bool:
        hole.empty_pages += 1
        if hole.empty_pages < EMPTY_PAGE_TRIES:
            hole.due_at = time.monotonic() + next(hole.waits)
            return False
        left = sum(len(part) for part in self._continuity.missing(hole.symbol, hole.position, hole.ids.last))
        self.unresolved_ids += left
        logger.error(
            "event=gap_unresolved symbol=%s first=%d last=%d reason=%s",
            hole.symbol,
            hole.position,
            hole.ids.last,
            reason,
        )
        return True

    def _pause(self, error: ExchangeUnavailableError, hole: _Hole) -> None:
        seconds = error.retry_after_seconds if error.retry_after_seconds is not None else next(self._waits)
        self.last_error = str(error)
        logger.warning("event=heal_paused symbol=%s seconds=%.1f reason=%s", hole.symbol, seconds, error)
        # The next hole's turn comes first, should the answer be about this symbol only.
        hole.due_at = time.monotonic() + seconds
        self._halt.wait(seconds)


def _message(symbol: str, trade: RestTrade, received_at: int) -> AggTradeMessage:
    return AggTradeMessage(
        symbol=symbol,
        agg_id=trade.agg_id,
        price=trade.price,
        qty=trade.qty,
        first_trade_id=trade.first_trade_id,
        last_trade_id=trade.last_trade_id,
        trade_time=trade.trade_time,
        event_time=None,
        received_at=received_at,
        is_buyer_maker=trade.is_buyer_maker,
        source="rest",
    )
