"""The gateway's parts put together: exchange -> connections and healer -> publisher, and their counts."""

import logging
import os
import threading
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime

from firehose_dagster.binance.streams import plan_connections
from firehose_dagster.gateway.backoff import backoff_seconds
from firehose_dagster.gateway.connection import StreamConnection
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.errors import GatewayError
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.publisher import Publisher
from firehose_dagster.gateway.rest import ExchangeRefusedError, ExchangeRest, ExchangeUnavailableError
from firehose_dagster.gateway.status import GatewayStatus, State, utc_from_microseconds
from firehose_dagster.gateway.symbols import resolve_symbols
from firehose_dagster.gateway.tail import read_tail
from firehose_dagster.gateway.topic import ensure_topic
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

EXCHANGE_WAIT_CAP_SECONDS = 10.0


class Pipeline:
    """Prepared once, then run as loops, one a thread, that end when `halt` is set."""

    def __init__(self, settings: Settings, halt: threading.Event) -> None:
        self._settings = settings
        self._halt = halt
        self._started_at = datetime.now(UTC)
        self._rest = ExchangeRest(settings.exchange_rest_url)
        self._symbols: tuple[str, ...] = ()
        self._publisher: Publisher | None = None
        self._healer: Healer | None = None
        self._connections: list[StreamConnection] = []
        self._startup_error: str | None = None

    def prepare(self) -> None:
        """Check the symbols, wait for the broker, read the topic's tail. Raises GatewayError subclasses."""
        statuses = self._wait_for_exchange()
        if statuses is None:
            return
        self._symbols = resolve_symbols(self._settings.symbols, statuses, self._rest.base_url)
        partitions = ensure_topic(self._settings, self._halt)
        tails = read_tail(self._settings, partitions, self._symbols, self._halt)
        if self._halt.is_set():
            return
        continuity = Continuity(tails)
        publisher = Publisher(self._settings, self._halt)
        healer = Healer(self._rest, continuity, publisher, self._halt)
        for symbol, tail in tails.items():
            for hole in tail.holes():
                healer.request(symbol, hole)
        plans = plan_connections(
            self._settings.exchange_ws_url, self._symbols, self._settings.gateway_symbols_per_connection
        )
        self._connections = [StreamConnection(plan, continuity, healer, publisher, self._halt) for plan in plans]
        self._healer = healer
        self._publisher = publisher

    def loops(self) -> list[Callable[[], None]]:
        """What runs after `prepare`, one thread each."""
        loops: list[Callable[[], None]] = [connection.run for connection in self._connections]
        return loops if self._healer is None else [*loops, self._healer.run]

    def poll(self) -> None:
        """Serve delivery reports. Raises DeliveryFailedError once a delivery failed."""
        if self._publisher is not None:
            self._publisher.poll()

    def flush(self) -> None:
        """Wait until Kafka confirmed everything. Raises as Publisher.flush does."""
        if self._publisher is not None:
            self._publisher.flush()

    def close(self) -> None:
        """Close what the loops used."""
        self._rest.close()

    def _wait_for_exchange(self) -> dict[str, str] | None:
        waits = backoff_seconds(cap=EXCHANGE_WAIT_CAP_SECONDS)
        while not self._halt.is_set():
            try:
                return self._rest.symbol_statuses()
            except ExchangeRefusedError as error:
                raise GatewayError(
                    f"the list of symbols cannot be had: {error}. Check FIREHOSE_EXCHANGE_REST_URL."
                ) from error
            except ExchangeUnavailableError as error:
                if self._startup_error is None:
                    logger.warning("event=waiting_for_exchange reason=%s", error)
                self._startup_error = str(error)
                seconds = error.retry_after_seconds
                self._halt.wait(seconds if seconds is not None else next(waits))
        return None

    def status(self, state: State, last_error: str | None) -> GatewayStatus:
        """The counts of now."""
        connections = self._connections
        healer = self._healer
        by_kind: Counter[str] = Counter()
        for connection in connections:
            by_kind.update(dict(connection.by_kind))
        trades = sum(connection.trades for connection in connections)
        unparsable = sum(connection.unparsable for connection in connections)
        # Read before the queue: what is counted as delivered was delivered.
        produced = trades + unparsable + (healer.healed_ids if healer else 0)
        outstanding = self._publisher.outstanding if self._publisher else 0
        trade_times = [connection.last_trade_time_us for connection in connections if connection.last_trade_time_us]
        errors = [
            last_error,
            *(connection.last_error for connection in connections),
            healer.last_error if healer else None,
            self._startup_error,
        ]
        return GatewayStatus(
            state=state,
            pid=os.getpid(),
            started_at=self._started_at,
            updated_at=datetime.now(UTC),
            symbols=len(self._symbols),
            connections=sum(connection.is_open for connection in connections),
            connections_planned=len(connections),
            reconnects=sum(connection.reconnects for connection in connections),
            frames=sum(connection.frames for connection in connections),
            bytes=sum(connection.bytes for connection in connections),
            trades=trades,
            by_kind=dict(by_kind),
            unparsable=unparsable,
            produced=produced,
            delivered=max(0, produced - outstanding),
            outstanding=outstanding,
            gaps_found=healer.gaps_found if healer else 0,
            gaps_healed=healer.gaps_healed if healer else 0,
            missing_ids=healer.missing_ids() if healer else 0,
            healed_ids=healer.healed_ids if healer else 0,
            absent_ids=healer.absent_ids if healer else 0,
            unresolved_ids=healer.unresolved_ids if healer else 0,
            last_trade_at=utc_from_microseconds(max(trade_times)) if trade_times else None,
            last_error=next((error for error in errors if error), None),
        )
