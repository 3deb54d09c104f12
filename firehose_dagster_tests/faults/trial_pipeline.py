"""A whole pipeline of its own, from exchange to lake, as plain processes under the supervisor, without Dagster."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from firehose_dagster.gateway.status import GatewayStatus, read_status
from firehose_dagster.lake.query import run_query
from firehose_dagster.local.broker import prepare_broker
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.java import java_executable
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import (
    BROKER,
    EXCHANGE,
    GATEWAY,
    STREAMS,
    broker_program,
    exchange_program,
    gateway_program,
    streams_program,
)
from firehose_dagster.local.topic_ends import TopicEnds
from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import read_progress
from firehose_dagster_tests.faults.exchange_control import ExchangeControl
from firehose_dagster_tests.faults.waiting import wait_until
from firehose_dagster_tests.pipeline.recorded_trades import Trade

_HELD = """
    SELECT symbol, agg_id, price, qty, first_trade_id, last_trade_id, epoch_us(event_ts) AS time_us, is_buyer_maker
    FROM crypto_silver_trades WHERE symbol IN ({names})
"""
_COUNTS = "SELECT symbol, count(DISTINCT agg_id)::BIGINT AS ids FROM crypto_silver_trades GROUP BY symbol"


@dataclass
class TrialPipeline:
    """The running pipeline."""

    settings: Settings
    exchange: ExchangeControl
    installation: Installation
    gateway_pids: set[int] = field(default_factory=set)
    streams_pids: set[int] = field(default_factory=set)

    def note_processes(self) -> None:
        """Remember who runs now, so that restarts are seen. Raises AssertionError where nobody can be restarted."""
        status, progress = self.gateway_status(), read_progress(self.settings)
        self.gateway_pids |= {status.pid} if status else set()
        self.streams_pids |= {progress.pid} if progress else set()
        states = self.installation.states()
        fatal = [name for name, state in states.items() if state.state == "FATAL"]
        assert not fatal, f"cannot be kept running: {', '.join(fatal)}; logs are in {self.settings.logs_dir}"

    def gateway_status(self) -> GatewayStatus | None:
        """The newest."""
        return read_status(self.settings)

    def counts(self) -> dict[str, int]:
        """Distinct ids in silver, by symbol."""
        return {row["symbol"]: row["ids"] for row in run_query(self.settings, _COUNTS).to_pylist()}

    def held(self, symbols: Sequence[str]) -> dict[str, list[Trade]]:
        """Silver's rows of these symbols."""
        names = ", ".join(f"'{symbol}'" for symbol in symbols)
        held: dict[str, list[Trade]] = {symbol: [] for symbol in symbols}
        for row in run_query(self.settings, _HELD.format(names=names)).to_pylist():
            held[row["symbol"]].append(Trade(**row))
        return held

    def end(self, patience_seconds: float, *, heals: bool) -> None:
        """Calm the exchange, stop the gateway once all is healed, and the stream once the tables have all of it."""
        if heals:
            self.exchange.calm()
            wait_until(self._is_healed, patience_seconds)
        self.installation.stop_program(GATEWAY)
        ends = TopicEnds(self.settings)
        try:
            reached = wait_until(lambda: self._has_reached(ends), patience_seconds)
        finally:
            ends.close()
        assert reached, f"the tables did not reach the topic's end within {patience_seconds:.0f} s"
        self.installation.stop_program(STREAMS)

    def _is_healed(self) -> bool:
        status = self.gateway_status()
        is_quiet = self.exchange.held_back() == 0
        return is_quiet and status is not None and status.missing_ids == 0 and status.outstanding == 0

    def _has_reached(self, ends: TopicEnds) -> bool:
        progress, at = read_progress(self.settings), ends.read()
        if progress is None or at is None:
            return False
        return all(progress.offsets.get(partition, 0) >= end for partition, end in at.items())


@contextmanager
def running_pipeline(
    home: Path, symbols: Sequence[str], symbols_per_connection: int, rate: float, say: Callable[[str], None]
) -> Iterator[TrialPipeline]:
    """Start everything in `home` on free ports; stop it at the end."""
    broker_port, controller_port, exchange_port = free_ports(3)
    settings = Settings(
        home=home,
        symbols=tuple(symbols),
        broker_port=broker_port,
        broker_controller_port=controller_port,
        exchange_port=exchange_port,
        exchange_ws_url=f"ws://127.0.0.1:{exchange_port}",
        exchange_rest_url=f"http://127.0.0.1:{exchange_port}",
        gateway_symbols_per_connection=symbols_per_connection,
        spark_driver_memory="1g",
    )
    java = java_executable()
    arguments = ("--synthetic", "--symbols", ",".join(symbols), "--rate", f"{rate:g}", "--history-minutes", "0")
    programs = (
        broker_program(settings, java),
        exchange_program(settings, arguments),
        gateway_program(),
        streams_program(),
    )
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    with Installation(settings, programs, java) as installation:
        prepare_broker(settings, java)
        installation.start(BROKER, EXCHANGE, on_progress=say)
        control = ExchangeControl(settings.exchange_rest_url)
        try:
            installation.start(GATEWAY, STREAMS, on_progress=say)
            yield TrialPipeline(settings, control, installation)
        finally:
            control.close()
