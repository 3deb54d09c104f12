"""Missing ids are fetched by REST, page by page, while the live stream goes on."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from firehose_dagster.binance.frames import RestTrade
from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.binance.heal_plan import AbsentIds, judge_page
from firehose_dagster.gateway.answer_from_below import answer_from_below
from firehose_dagster.gateway.backoff import backoff_seconds
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.hole import CONFIRM_SECONDS, Hole
from firehose_dagster.gateway.rest import ExchangeRefusedError, ExchangeRest, ExchangeUnavailableError
from firehose_dagster.gateway.trade_messages import from_rest
from firehose_dagster.lake.exchange_holes import ExchangeHole

logger = logging.getLogger(__name__)

WORKERS = 4
"""Pages asked for at a time: enough to use the whole budget of weight from a quarter of a second away."""
GRACE_SECONDS = 0.3
"""Ids that come a moment late, out of their order, need no request."""
LAG_SECONDS = 1.0
"""REST reads a database that may be behind the stream: the end of a page is asked for again after this time."""
IDLE_SECONDS = 0.1


class Healer:
    """Fetches the holes it is told and produces what the topic lacks: the newest hole first, and of it the newest ids.

    What people look at and what alerts judge is the present: a gap of seconds does not wait behind one of hours. What
    is not healed when the gateway ends is found again at the next start. Safe for threads.
    """

    def __init__(
        self,
        rest: ExchangeRest,
        continuity: Continuity,
        publisher: ConfirmedPublisher,
        on_exchange_hole: Callable[[ExchangeHole], None],
        halt: threading.Event,
    ) -> None:
        self._rest = rest
        self._continuity = continuity
        self._publisher = publisher
        self._on_exchange_hole = on_exchange_hole
        self._halt = halt
        self._lock = threading.Lock()
        self._holes: list[Hole] = []
        self._at_work: list[tuple[Hole, IdRange]] = []
        self._number = 0
        self._waits = backoff_seconds()
        self.gaps_healed = 0
        self.healed_ids = 0
        self.absent_ids = 0
        self.last_error: str | None = None

    @property
    def gaps_found(self) -> int:
        """Holes told so far."""
        return self._number

    def request(
        self,
        symbol: str,
        ids: IdRange,
        *,
        after_seconds: float = GRACE_SECONDS,
        is_forced: bool = False,
        on_settled: Callable[[int], None] | None = None,
    ) -> None:
        """Have these ids fetched, not before `after_seconds`; returns at once.

        A forced request is fetched though the gateway holds the ids by its own account, and given up where the exchange
        does not give them. `on_settled` is called with the number of ids fetched, once Kafka confirmed them, the
        exchange was found not to have them, or the request was given up.
        """
        with self._lock:
            self._number += 1
            self._holes.append(
                Hole(
                    self._number,
                    symbol,
                    ids,
                    time.monotonic() + after_seconds,
                    is_forced=is_forced,
                    on_settled=on_settled,
                )
            )
        logger.warning(
            "event=gap_found symbol=%s first_missing=%d last_missing=%d ids=%d", symbol, ids.first, ids.last, len(ids)
        )

    def missing_ids(self) -> int:
        """Ids not yet healed, among the holes told."""
        return sum(self._missing_of(hole, hole.ids) for hole in self._open_holes())

    def unresolved_ids(self) -> int:
        """Those among them that REST did not give for long, or that are older than all it has; they are asked for
        again every ten minutes."""
        unresolved = [(hole, hole.unresolved) for hole in self._open_holes()]
        return sum(self._missing_of(hole, ids) for hole, ids in unresolved if ids is not None)

    def _open_holes(self) -> list[Hole]:
        with self._lock:
            return list(self._holes)

    def _missing_of(self, hole: Hole, ids: IdRange) -> int:
        held = self._continuity.missing(hole.symbol, ids.first, ids.last)
        with self._lock:
            return sum(len(part) for part in hole.missing(ids, held))

    def run(self) -> None:
        """Heal until the gateway halts. To be run by WORKERS threads at a time."""
        while not self._halt.is_set():
            taken = self._take()
            if taken is None:
                self._halt.wait(IDLE_SECONDS)
                continue
            try:
                self._work(*taken)
            finally:
                with self._lock:
                    self._at_work.remove(taken)
            self._remove_done(taken[0])

    def _take(self) -> tuple[Hole, IdRange] | None:
        now = time.monotonic()
        with self._lock:
            ready = [hole for hole in self._holes if hole.is_ready(now) and not self._is_on_its_way(hole)]
            if not ready:
                return None
            newest = max(ready, key=lambda hole: hole.number)
            taken = (newest, newest.take_page())
            self._at_work.append(taken)
            return taken

    def _is_on_its_way(self, hole: Hole) -> bool:
        """Whether ids of its next page are being fetched, for this hole or for another one, as where a quiet symbol is
        asked about and then speaks: fetched twice at a time they would be in the topic twice."""
        return any(other.symbol == hole.symbol and page.overlaps(hole.next_page) for other, page in self._at_work)

    def _work(self, hole: Hole, page: IdRange) -> None:
        held = self._continuity.missing(hole.symbol, page.first, page.last)
        with self._lock:
            missing = hole.missing(page, held)
            if not missing:
                hole.finish_page()
                return
            first = missing[0].first
            needs_proof = hole.is_suspected(first)
        try:
            if needs_proof:
                rows = answer_from_below(lambda from_id: self._rest.agg_trades(hole.symbol, from_id), first)
            else:
                rows = self._rest.agg_trades(hole.symbol, first)
        except ExchangeUnavailableError as error:
            self._pause(hole, page, error)
        except ExchangeRefusedError as error:
            self.last_error = str(error)
            self._give_back_fruitless(hole, page, str(error))
        else:
            self._waits = backoff_seconds()
            self._settle(hole, page, missing, rows, is_from_below=needs_proof)

    def _settle(
        self, hole: Hole, page: IdRange, missing: Sequence[IdRange], rows: Sequence[RestTrade], *, is_from_below: bool
    ) -> None:
        verdict = judge_page(missing, [row.agg_id for row in rows])
        wanted = frozenset(verdict.found)
        received_at = time.time_ns() // 1_000
        confirmed = self._publisher.publish(
            [from_rest(hole.symbol, row, received_at) for row in rows if row.agg_id in wanted]
        )
        self._continuity.hold(hole.symbol, confirmed)
        with self._lock:
            self.healed_ids += len(confirmed)
            hole.settle(confirmed)
            absent, has_new_absent = hole.confirm_absent(verdict.absent)
            has_new_unproven = hole.suspect(verdict.unproven)
        for each in absent:
            self._record_absent(hole.symbol, each)
        if not rows or not (verdict.found or verdict.absent or verdict.unproven):
            self._give_back_fruitless(hole, page, "the exchange has no trade from there on")
            return
        with self._lock:
            if len(confirmed) < len(wanted):
                self.last_error = f"Kafka did not confirm healed trades: {self._publisher.last_error}"
                hole.give_back(page, time.monotonic(), next(self._waits))
            elif has_new_absent or has_new_unproven:
                hole.give_back(page, time.monotonic(), CONFIRM_SECONDS)
            elif verdict.unknown:
                hole.give_back(page, time.monotonic(), LAG_SECONDS)
            elif verdict.unproven:
                hole.give_back(page, time.monotonic(), 0)
            else:
                hole.finish_page()
            is_too_old = is_from_below and bool(verdict.unproven)
            is_news = is_too_old and hole.park(rows[0].agg_id, time.monotonic())
        if is_news:
            self._tell_too_old(hole, rows[0].agg_id)

    def _tell_too_old(self, hole: Hole, oldest: int) -> None:
        last = min(hole.ids.last, oldest - 1)
        reason = f"REST has no {hole.symbol} trade before id {oldest}; the archive may: see firehose backfill"
        self.last_error = f"ids {hole.ids.first} to {last} are not all held, and {reason}"
        logger.error(
            "event=gap_unresolved symbol=%s first=%d last=%d reason=%s", hole.symbol, hole.ids.first, last, reason
        )

    def _record_absent(self, symbol: str, absent: AbsentIds) -> None:
        self._continuity.hold_range(symbol, absent.ids)
        with self._lock:
            self.absent_ids += len(absent.ids)
        first, last = absent.ids.first, absent.ids.last
        logger.warning("event=ids_absent_at_exchange symbol=%s first=%d last=%d", symbol, first, last)
        self._on_exchange_hole(ExchangeHole(symbol, first, last, absent.next_id, datetime.now(UTC)))

    def _pause(self, hole: Hole, page: IdRange, error: ExchangeUnavailableError) -> None:
        self.last_error = str(error)
        with self._lock:
            # A rate limit holds up every request: the budget sees to it. Other trouble may be this symbol's alone.
            seconds = error.retry_after_seconds if error.retry_after_seconds is not None else next(self._waits)
            hole.give_back(page, time.monotonic(), seconds)
        logger.warning("event=heal_paused symbol=%s seconds=%.1f reason=%s", hole.symbol, seconds, error)

    def _give_back_fruitless(self, hole: Hole, page: IdRange, reason: str) -> None:
        with self._lock:
            was_unresolved = hole.is_unresolved
            hole.give_back_fruitless(page, time.monotonic())
            is_news = hole.is_unresolved and not was_unresolved
        if is_news:
            logger.error(
                "event=gap_unresolved symbol=%s first=%d last=%d reason=%s", hole.symbol, page.first, page.last, reason
            )

    def _remove_done(self, hole: Hole) -> None:
        with self._lock:
            if not (hole.is_settled or hole.is_given_up) or hole not in self._holes:
                return
            self._holes.remove(hole)
            if hole.is_settled:
                self.gaps_healed += 1
        logger.info(
            "event=%s symbol=%s first=%d last=%d fetched=%d",
            "gap_healed" if hole.is_settled else "gap_given_up",
            hole.symbol,
            hole.ids.first,
            hole.ids.last,
            hole.fetched,
        )
        if hole.on_settled is not None:
            hole.on_settled(hole.fetched)
