"""The gateway as one call: start, watch, stop."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from filelock import FileLock, Timeout

from firehose_dagster.gateway.errors import GatewayAlreadyRunningError, GatewayError
from firehose_dagster.gateway.heal import WORKERS
from firehose_dagster.gateway.pipeline import Pipeline
from firehose_dagster.gateway.pipeline_status import status_of
from firehose_dagster.gateway.status import GatewayStatus, State, read_status, write_status
from firehose_dagster.settings import ALL_SYMBOLS, Settings

logger = logging.getLogger(__name__)

LOCK_FILE = "gateway.lock"
TICK_SECONDS = 0.2
TICKS_PER_STATUS = 5
MOST_SYMBOLS = 10_000
OTHER_THREADS = 8 + WORKERS


def run_gateway(
    settings: Settings, stop: threading.Event, on_status: Callable[[GatewayStatus], None] | None = None
) -> None:
    """Collect trades into the topic until `stop` is set, then flush and return.

    Writes its status once a second and hands it to `on_status`. Waits for an exchange or a broker that is not there
    yet. Raises GatewayAlreadyRunningError if this home has a gateway, UnknownSymbolsError if a symbol is neither listed
    nor held, NoSymbolLeftError if none can be collected, ClockError if this machine's clock is far off,
    DeliveryFailedError if Kafka refuses the topic, FlushIncompleteError if it did not confirm all at the end.
    """
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.state_dir / LOCK_FILE)
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        status = read_status(settings)
        raise GatewayAlreadyRunningError(lock.lock_file, None if status is None else status.pid) from error
    try:
        _Run(settings, stop, on_status).run()
    finally:
        lock.release()


class _Run:
    """One run under the lock: threads that work, and this one that watches them."""

    def __init__(
        self, settings: Settings, stop: threading.Event, on_status: Callable[[GatewayStatus], None] | None
    ) -> None:
        self._settings = settings
        self._stop = stop
        self._on_status = on_status
        self._halt = threading.Event()
        self._pipeline = Pipeline(settings, self._halt)
        self._is_shown = True

    def run(self) -> None:
        logger.info("event=gateway_starting symbols=%s", ",".join(self._settings.symbols))
        try:
            self._report("starting")
            self._watch()
            self._pipeline.flush()
        except GatewayError as error:
            logger.error("event=gateway_failed reason=%s", error)
            self._report("failed", str(error))
            raise
        finally:
            self._halt.set()
            self._pipeline.close()
        self._report("stopped")
        logger.info("event=gateway_stopped")

    def _watch(self) -> None:
        """Work until `stop` is set or a thread ends with an error, which is raised here."""
        with ThreadPoolExecutor(max_workers=self._thread_limit(), thread_name_prefix="gateway") as threads:
            try:
                futures: list[Future[None]] = [threads.submit(self._pipeline.prepare)]
                is_running = False
                ticks = 0
                while not self._stop.wait(TICK_SECONDS):
                    for future in futures:
                        if future.done():
                            future.result()
                    if not is_running and futures[0].done():
                        is_running = True
                        futures += [threads.submit(loop) for loop in self._pipeline.loops()]
                    self._pipeline.poll()
                    ticks += 1
                    if ticks % TICKS_PER_STATUS == 0:
                        self._report("running" if is_running else "starting")
            finally:
                self._halt.set()
        for future in futures:
            future.result()

    def _thread_limit(self) -> int:
        # The symbols of `ALL` are not known yet: some thousands. The pool starts only the threads it needs.
        symbols = MOST_SYMBOLS if ALL_SYMBOLS in self._settings.symbols else len(self._settings.symbols)
        return OTHER_THREADS + symbols // self._settings.gateway_symbols_per_connection

    def _report(self, state: State, last_error: str | None = None) -> None:
        status = status_of(self._pipeline, state, last_error)
        try:
            write_status(self._settings, status)
            self._is_shown = True
        except OSError as error:
            # A full disk is the tables' trouble and Kafka's: what the exchange sends must not be missed for it.
            if self._is_shown:
                logger.warning("event=status_not_written reason=%s", error)
            self._is_shown = False
        if self._on_status is not None:
            self._on_status(status)
