"""The gateway's parts put together: exchange -> connections and healer -> publishers."""

import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

from firehose_dagster.binance.request_weight import WeightBudget
from firehose_dagster.binance.streams import plan_connections
from firehose_dagster.gateway.backoff import backoff_seconds
from firehose_dagster.gateway.clock_check import clock_problem
from firehose_dagster.gateway.clock_watch import ClockWatch
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.gateway.connection import Starts, StreamConnection
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.errors import ClockError, GatewayError
from firehose_dagster.gateway.heal import WORKERS, Healer
from firehose_dagster.gateway.heal_intake import HealIntake
from firehose_dagster.gateway.lake_memory import LakeMemory
from firehose_dagster.gateway.probe import Prober
from firehose_dagster.gateway.publisher import Publisher
from firehose_dagster.gateway.rest import ExchangeRefusedError, ExchangeRest, ExchangeUnavailableError
from firehose_dagster.gateway.symbol_notice import SymbolNotice
from firehose_dagster.gateway.symbols import candidate_symbols, choose_symbols, listed_symbols
from firehose_dagster.gateway.tail import SymbolTail, read_tail
from firehose_dagster.gateway.topic import ensure_topic
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

EXCHANGE_WAIT_CAP_SECONDS = 10.0
HEAL_REQUESTS_EVERY_SECONDS = 1.0
HEAL_FLUSH_SECONDS = 5.0


class Pipeline:
    """Prepared once, then run as loops, one a thread, that end when `halt` is set."""

    def __init__(self, settings: Settings, halt: threading.Event) -> None:
        self._settings = settings
        self._halt = halt
        self.started_at = datetime.now(UTC)
        self.rest = ExchangeRest(settings.exchange_rest_url, WeightBudget(settings.gateway_weight_per_minute), halt)
        self.symbols: tuple[str, ...] = ()
        self.connections: list[StreamConnection] = []
        self.startup_error: str | None = None
        self.publisher: Publisher | None = None
        self.healer: Healer | None = None
        self.prober: Prober | None = None
        self.lake: LakeMemory | None = None
        self.notice: SymbolNotice | None = None
        self._heal_publisher: ConfirmedPublisher | None = None
        self._continuity: Continuity | None = None
        self._intake: HealIntake | None = None
        self._intake_at = 0.0

    def prepare(self) -> None:
        """Check clock and symbols, wait for the broker, learn what topic and lake hold. Raises GatewayError."""
        statuses = self._wait_for_exchange()
        if statuses is None:
            return
        self.symbols = listed_symbols(self._settings.symbols, statuses, self.rest.base_url)
        candidates = candidate_symbols(self._settings.symbols, statuses)
        partitions = ensure_topic(self._settings, self._halt)
        tails = read_tail(self._settings, partitions, candidates, self._halt)
        if self._halt.is_set():
            return
        self.lake = LakeMemory(self._settings, self._halt)
        # A tail of healed rows alone does not say where the live stream stood.
        quiet = [symbol for symbol in candidates if symbol not in tails or tails[symbol].first_live is None]
        last_ids = self.lake.last_ids(quiet)
        choice = choose_symbols(
            self._settings.symbols,
            statuses,
            known=tails.keys() | (last_ids or {}).keys(),
            url=self.rest.base_url,
            is_lake_away=last_ids is None,
        )
        self.symbols = choice.collected
        tails = {symbol: tails[symbol] for symbol in choice.collected if symbol in tails}
        continuity = self._remember(tails, last_ids or {}, self.lake)
        self.notice = SymbolNotice(choice, continuity)
        self.publisher = Publisher(self._settings, self._halt, continuity.lose)
        self._heal_publisher = ConfirmedPublisher(self._settings, self._halt)
        healer = Healer(self.rest, continuity, self._heal_publisher, self.lake.record, self._halt)
        for symbol, tail in tails.items():
            for hole in tail.holes():
                healer.request(symbol, hole)
        self.prober = Prober(self.rest, continuity, healer, self._halt)
        self.connections = self._connect(continuity, healer, self.publisher, self.prober)
        self._intake = HealIntake(self._settings, healer)
        self._continuity = continuity
        self.healer = healer

    def _remember(self, tails: dict[str, SymbolTail], last_ids: dict[str, int], lake: LakeMemory) -> Continuity:
        last_ids = {symbol: last_id for symbol, last_id in last_ids.items() if symbol in self.symbols}
        for symbol, last_id in last_ids.items():
            if symbol in tails:
                tails[symbol].held.add(last_id)
        continuity = Continuity(tails, last_ids)
        for hole in lake.known_holes():
            if hole.symbol in self.symbols:
                continuity.hold_range(hole.symbol, hole.ids)
        return continuity

    def _connect(
        self, continuity: Continuity, healer: Healer, publisher: Publisher, prober: Prober
    ) -> list[StreamConnection]:
        settings = self._settings
        plans = plan_connections(settings.exchange_ws_url, self.symbols, settings.gateway_symbols_per_connection)
        starts = Starts()
        return [
            StreamConnection(
                plan,
                continuity,
                healer,
                publisher,
                prober,
                starts,
                settings.gateway_rotate_after_seconds,
                self._halt,
            )
            for plan in plans
        ]

    def loops(self) -> list[Callable[[], None]]:
        """What runs after `prepare`, one thread each."""
        loops: list[Callable[[], None]] = [connection.run for connection in self.connections]
        if self.healer is not None and self.prober is not None and self.lake is not None:
            clock = ClockWatch(self._check_clock, self._halt)
            loops += [self.healer.run] * WORKERS + [self.prober.run, self.lake.run, clock.run]
        return loops

    def poll(self) -> None:
        """Serve delivery reports, and have healed what they and other processes tell. Raises as Publisher.poll does."""
        if self.publisher is None or self.healer is None or self._continuity is None or self._intake is None:
            return
        self.publisher.poll()
        for symbol, ids in self._continuity.take_lost():
            self.healer.request(symbol, ids)
        now = time.monotonic()
        if now >= self._intake_at:
            self._intake_at = now + HEAL_REQUESTS_EVERY_SECONDS
            self._intake.poll()

    def flush(self) -> None:
        """Wait until Kafka confirmed everything. Raises as Publisher.flush does."""
        if self._heal_publisher is not None:
            self._heal_publisher.flush(HEAL_FLUSH_SECONDS)
        if self.publisher is not None:
            self.publisher.flush()

    def close(self) -> None:
        """Close what the loops used."""
        self.rest.close()

    def _wait_for_exchange(self) -> dict[str, str] | None:
        waits = backoff_seconds(cap=EXCHANGE_WAIT_CAP_SECONDS)
        while not self._halt.is_set():
            try:
                self._check_clock()
                return self.rest.symbol_statuses()
            except ExchangeRefusedError as error:
                raise GatewayError(
                    f"the list of symbols cannot be had: {error}. Check FIREHOSE_EXCHANGE_REST_URL."
                ) from error
            except ExchangeUnavailableError as error:
                if self.startup_error is None:
                    logger.warning(
                        "event=waiting_for_exchange reason=%s. If it does not pass: check FIREHOSE_EXCHANGE_REST_URL.",
                        error,
                    )
                self.startup_error = str(error)
                seconds = error.retry_after_seconds
                self._halt.wait(seconds if seconds is not None else next(waits))
        return None

    def _check_clock(self) -> None:
        asked_at_us = time.time_ns() // 1_000
        server_time_us = self.rest.server_time_us()
        if server_time_us is None:
            return
        problem = clock_problem(asked_at_us, server_time_us, time.time_ns() // 1_000)
        if problem is not None:
            raise ClockError(
                f"{problem} ({self.rest.base_url}): set it, for example by NTP. Trades are not collected with it, "
                "for their times of receipt would be wrong."
            )
