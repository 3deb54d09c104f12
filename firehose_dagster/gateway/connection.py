"""One planned connection kept alive: opened, watched, replaced before it ends, opened again when it broke."""

import logging
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor

from firehose_dagster.binance.limits import CONNECTION_ATTEMPTS_WINDOW_SECONDS, MAX_CONNECTION_ATTEMPTS
from firehose_dagster.binance.pace import Pace
from firehose_dagster.binance.streams import ConnectionPlan
from firehose_dagster.gateway.backoff import backoff_seconds
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.probe import Prober
from firehose_dagster.gateway.publisher import Publisher
from firehose_dagster.gateway.rotation import Active, Replacement, Step, next_step
from firehose_dagster.gateway.session import Counts, Session
from firehose_dagster.gateway.silence import CONNECTION_TOLERANCE, SilenceWatch
from firehose_dagster.gateway.symbol_watch import SymbolWatch

logger = logging.getLogger(__name__)

TICK_SECONDS = 0.1
MAX_SESSIONS = 3
"""One that delivers, its replacement, and one that is just ending."""
BEGIN_SECONDS = 5.0
"""Trades of a connection's first seconds are not held against it."""
ATTEMPTS_RESERVE = 0.2
"""Share of the exchange's connection attempts left to others who use the same address."""


class Starts:
    """When a connection may be opened: the attempts of all of them together stay within the exchange's limit."""

    def __init__(self) -> None:
        self._pace = Pace(int(MAX_CONNECTION_ATTEMPTS * (1 - ATTEMPTS_RESERVE)), CONNECTION_ATTEMPTS_WINDOW_SECONDS)
        self._lock = threading.Lock()
        self._told_at: float | None = None

    def try_one(self, now: float) -> bool:
        """Whether an attempt may be made now; if so it counts. That none is left is said, once a window."""
        with self._lock:
            wait_seconds = self._pace.wait_seconds(now)
            if wait_seconds > 0:
                if self._told_at is None or now - self._told_at > CONNECTION_ATTEMPTS_WINDOW_SECONDS:
                    logger.warning("event=connection_attempts_used_up next_in_seconds=%.0f", wait_seconds)
                    self._told_at = now
                return False
            self._pace.note(now)
            return True


class _Running:
    """A session and the thread that runs it."""

    def __init__(self, session: Session, threads: ThreadPoolExecutor) -> None:
        self.session = session
        self.future: Future[str] = threads.submit(session.run)
        self.trades_at_confirmation = 0


class StreamConnection:
    """Keeps the trades of one plan coming until the gateway halts. Counters may be read by other threads."""

    def __init__(
        self,
        plan: ConnectionPlan,
        continuity: Continuity,
        healer: Healer,
        publisher: Publisher,
        prober: Prober,
        starts: Starts,
        rotate_after_seconds: float,
        halt: threading.Event,
    ) -> None:
        self._plan = plan
        self._continuity = continuity
        self._healer = healer
        self._publisher = publisher
        self._prober = prober
        self._starts = starts
        self._rotate_after_seconds = rotate_after_seconds
        self._halt = halt
        now = time.monotonic()
        self._silence = SilenceWatch(CONNECTION_TOLERANCE, now)
        self._symbols = SymbolWatch(plan.symbols, now)
        self._lost_symbol = threading.Event()
        self._waits = backoff_seconds()
        self._open_at = now
        self._replace_at = now
        self._active: _Running | None = None
        self._replacement: _Running | None = None
        self._ending: list[_Running] = []
        self._ended_counts = Counts()
        self.reconnects = 0
        self.rotations = 0
        self.last_error: str | None = None

    @property
    def is_open(self) -> bool:
        """Whether trades can arrive."""
        active = self._active
        return active is not None and active.session.is_open

    @property
    def counts(self) -> Counts:
        """What came so far, on all of its connections."""
        total = Counts()
        total.add(self._ended_counts)
        for running in self._running():
            total.add(running.session.counts)
        return total

    def run(self) -> None:
        """Work until the gateway halts. Raises DeliveryFailedError as the publisher does."""
        with ThreadPoolExecutor(MAX_SESSIONS, thread_name_prefix="session") as threads:
            try:
                while not self._halt.wait(TICK_SECONDS):
                    self._step(time.monotonic(), threads)
            finally:
                for running in self._running():
                    running.session.close()
        for running in self._running():
            running.future.result()

    def _running(self) -> list[_Running]:
        return [each for each in (self._active, self._replacement, *self._ending) if each is not None]

    def _step(self, now: float, threads: ThreadPoolExecutor) -> None:
        self._reap()
        if self._active is None:
            self._reconnect(now, threads)
            return
        if self._active.future.done():
            # A session that ends because the gateway does is no loss.
            if not self._halt.is_set():
                self._lose_active(now)
            return
        self._watch(now, self._active.session)
        self._rotate(now, self._active, threads)

    def _open(self, threads: ThreadPoolExecutor, *, is_overlapping: bool) -> _Running:
        cursor = self._continuity.cursor(is_overlapping=is_overlapping)
        return _Running(Session(self._plan, cursor, self._healer, self._publisher, self._halt), threads)

    def _reconnect(self, now: float, threads: ThreadPoolExecutor) -> None:
        if now < self._open_at or not self._publisher.has_room or not self._starts.try_one(now):
            return
        self._active = self._open(threads, is_overlapping=False)
        self._silence.restart(now)
        self._symbols.restart(now)

    def _lose_active(self, now: float) -> None:
        active, self._active = self._active, None
        if active is None:
            return
        self._end(active)
        self.last_error = active.future.result()
        replacement, self._replacement = self._replacement, None
        self._lost_symbol.clear()
        if replacement is not None and not replacement.future.done():
            logger.warning("event=replacement_promoted reason=%s", self.last_error)
            self._take_over(replacement)
            self.rotations += 1
            self._silence.restart(now)
            return
        if replacement is not None:
            self._end(replacement)
        if active.session.counts.trades:
            self._waits = backoff_seconds()
        seconds = next(self._waits)
        self._open_at = now + seconds
        self.reconnects += 1
        logger.warning("event=reconnecting seconds=%.1f reason=%s", seconds, self.last_error)

    def _take_over(self, running: _Running) -> None:
        self._active = running
        for symbol, gap in running.session.cursor.take_over():
            self._healer.request(symbol, gap)

    def _watch(self, now: float, session: Session) -> None:
        self._silence.note(session.counts.trades, now)
        for symbol, position in self._symbols.due(now, session.cursor.positions, self._continuity.position):
            # Older trades were lost before this connection began, and say nothing of it.
            begun_at_us = time.time_ns() // 1_000 - int((now - session.opened_at - BEGIN_SECONDS) * 1_000_000)
            self._prober.probe(symbol, position, begun_at_us, self._lost_symbol)

    def _rotate(self, now: float, active: _Running, threads: ThreadPoolExecutor) -> None:
        replacement = self._replacement
        if replacement is not None and replacement.future.done():
            if not self._halt.is_set():
                self._give_up_replacement(now, replacement.future.result())
            return
        is_mute = self._silence.is_too_long(now)
        step = next_step(
            now,
            self._rotate_after_seconds,
            self._view_of_active(active, replacement, is_mute),
            None if replacement is None else _view_of_replacement(replacement, active),
        )
        if step is Step.OPEN and now >= self._replace_at and self._starts.try_one(now):
            reason = "silent" if is_mute else "shutdown" if active.session.is_shutting_down else "age or lost symbol"
            logger.info("event=replacing_connection reason=%s age_seconds=%.0f", reason, now - active.session.opened_at)
            self._replacement = self._open(threads, is_overlapping=True)
        elif step is Step.GIVE_UP:
            self._give_up_replacement(now, "it delivered nothing")
        elif step is Step.HAND_OVER and replacement is not None:
            self._hand_over(now, active, replacement, is_mute)

    def _view_of_active(self, active: _Running, replacement: _Running | None, is_mute: bool) -> Active:
        session = active.session
        confirmed = replacement is not None and replacement.session.confirmed_at is not None
        if not confirmed:
            active.trades_at_confirmation = session.counts.trades
        return Active(
            opened_at=session.opened_at,
            must_end=session.is_shutting_down or self._lost_symbol.is_set(),
            is_mute=is_mute,
            caught_up_at=session.caught_up_at,
            has_delivered=session.counts.trades > active.trades_at_confirmation,
        )

    def _hand_over(self, now: float, active: _Running, replacement: _Running, was_mute: bool) -> None:
        self._end(active)
        self._replacement = None
        self._lost_symbol.clear()
        self._take_over(replacement)
        self.rotations += 1
        if was_mute and not replacement.session.counts.trades:
            self._silence.be_patient(now)
        else:
            self._silence.restart(now)
        logger.info("event=connection_replaced age_seconds=%.0f", now - active.session.opened_at)

    def _give_up_replacement(self, now: float, reason: str) -> None:
        replacement, self._replacement = self._replacement, None
        if replacement is None:
            return
        self._end(replacement)
        seconds = next(self._waits)
        self._replace_at = now + seconds
        self.last_error = f"a replacement was given up: {reason}"
        logger.warning("event=replacement_given_up seconds=%.1f reason=%s", seconds, reason)

    def _end(self, running: _Running) -> None:
        running.session.close()
        self._ending.append(running)

    def _reap(self) -> None:
        """Keep the counts of what has ended; raise its error, if it was one of the gateway."""
        for running in [each for each in self._ending if each.future.done()]:
            self._ending.remove(running)
            self._ended_counts.add(running.session.counts)
            running.future.result()


def _view_of_replacement(replacement: _Running, active: _Running) -> Replacement:
    session = replacement.session
    return Replacement(
        opened_at=session.opened_at,
        confirmed_at=session.confirmed_at,
        has_delivered=session.counts.trades > 0,
        overlaps=session.cursor.overlaps(active.session.cursor),
    )
