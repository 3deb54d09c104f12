"""The `firehose` command. Each subcommand is a few lines around one function, imported when it runs."""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter
from pydantic import ValidationError

from firehose_dagster.log_files import log_to_console
from firehose_dagster.settings import Settings

app = App(
    name="firehose",
    help="Every public Binance trade you choose, in open Iceberg tables that can prove what they hold.",
    version_flags=["--version"],
)

Home = Annotated[Path | None, Parameter(help="Folder of the installation (FIREHOSE_HOME).")]
Files = Annotated[tuple[Path, ...], Parameter(consume_multiple=True)]
Symbols = Annotated[str, Parameter(help="Comma separated, or ALL.")]
Format = Literal["text", "json"]

_EXIT_UNUSABLE = 2


@app.command
def setup(*, home: Home = None) -> int:
    """Check Java and fetch the jars of Spark and Kafka; does nothing where that was done."""
    from firehose_dagster.local.set_up import set_up

    set_up(_settings(home))
    return 0


@app.command
def demo(
    *,
    home: Home = None,
    for_seconds: Annotated[float | None, Parameter(name=["--for", "--for-seconds"])] = None,
    until_caught_up: Annotated[bool, Parameter(negative="")] = False,
    recording: Files = (),
    archive: Files = (),
    synthetic: Annotated[bool, Parameter(negative="")] = False,
    seed: int = 1,
    symbols: Symbols = "",
    speed: float | None = None,
    shift_to_now: Annotated[bool, Parameter(negative="")] = False,
    no_ui: Annotated[bool, Parameter(negative="")] = False,
) -> int:
    """Run everything on this machine: broker, exchange, gateway, stream, Dagster UI, webhook receiver.

    Parameters
    ----------
    for_seconds
        Stop this long after the first trade arrived, print what landed, verify it.
    until_caught_up
        Stop once a finite source is delivered and processed, print what landed, verify it.
    recording
        Captured WebSocket frames to replay.
    archive
        Daily archive files (CSV or zip) to replay.
    synthetic
        A made-up market. Without a source: live Binance where it answers, else this.
    seed
        Which made-up market.
    speed
        1: the recorded pace; 0: as fast as possible.
    shift_to_now
        Map recorded times to now.
    no_ui
        Without Dagster: gateway and stream as plain processes.
    """
    from firehose_dagster.local.demo import run_demo
    from firehose_dagster.local.demo_options import DemoOptions

    options = DemoOptions(
        for_seconds=for_seconds,
        until_caught_up=until_caught_up,
        recordings=recording,
        archives=archive,
        synthetic=synthetic,
        seed=seed,
        symbols=_split(symbols),
        speed=speed,
        shift_to_now=shift_to_now,
        no_ui=no_ui,
    )
    return run_demo(options, _settings(home))


@app.command
def stop(*, home: Home = None) -> int:
    """Stop everything that runs on the home."""
    from firehose_dagster.local.stop import stop_home

    return stop_home(_settings(home))


@app.command
def exchange(
    *,
    recording: Files = (),
    archive: Files = (),
    synthetic: Annotated[bool, Parameter(negative="")] = False,
    seed: int = 1,
    symbols: Symbols = "",
    rate: float = 50.0,
    history_minutes: int = 35,
    duration_seconds: float | None = None,
    speed: float = 1.0,
    shift_to_now: Annotated[bool, Parameter(negative="")] = False,
    host: str = "127.0.0.1",
    port: int | None = None,
) -> int:
    """The exchange simulator: Binance's WebSocket and REST on one port, fed from files or a made-up market.

    Parameters
    ----------
    recording
        Captured WebSocket frames to replay.
    archive
        Daily archive files (CSV or zip) to replay.
    synthetic
        A made-up market, a pure function of the seed and the time.
    seed
        Which made-up market.
    rate
        Synthetic: mean trades a second over all symbols.
    history_minutes
        Synthetic: minutes before the first subscription that are sent first.
    duration_seconds
        Synthetic: the market closes this long after the start.
    speed
        Files: 1 is the recorded pace, 0 as fast as the client reads.
    shift_to_now
        Files: map recorded times to now.
    host
        Address to listen on.
    port
        Port to listen on (FIREHOSE_EXCHANGE_PORT); 0: a free one.
    """
    from firehose_dagster.simulator.options import DEFAULT_SYMBOLS, ExchangeOptions
    from firehose_dagster.simulator.server import run_exchange

    run_exchange(
        ExchangeOptions(
            recordings=recording,
            archives=archive,
            synthetic=synthetic,
            seed=seed,
            symbols=_split(symbols) or DEFAULT_SYMBOLS,
            rate=rate,
            history_minutes=history_minutes,
            duration_seconds=duration_seconds,
            speed=speed,
            shift_to_now=shift_to_now,
            host=host,
            port=_settings(None).exchange_port if port is None else port,
        )
    )
    return 0


@app.command
def gateway(*, home: Home = None) -> int:
    """Collect trades from the exchange into the topic, in the foreground, until stopped."""
    from firehose_dagster.gateway.process import run_gateway

    run_gateway(_settings(home), _stop_on_signal())
    return 0


@app.command
def streams(*, home: Home = None, until_caught_up: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Take the topic through bronze, silver, quarantine and gold, in the foreground.

    Parameters
    ----------
    until_caught_up
        Stop at the topic's end as it is now.
    """
    from firehose_dagster.streams.host import run_streams

    progress = run_streams(_settings(home), _stop_on_signal(), until_caught_up=until_caught_up)
    print(
        f"rows in {progress.rows_in}, silver {progress.silver}, quarantine {progress.quarantine}, "
        f"duplicates {progress.duplicates}, gold minutes {progress.gold_minutes}, spikes {progress.spikes}"
    )
    return 0


@app.command
def receiver(*, home: Home = None) -> int:
    """The demo's webhook receiver: verifies each alert's signature and prints it."""
    from firehose_dagster.alerts.receiver import run_receiver

    settings = _settings(home)
    run_receiver(settings.receiver_port, settings.webhook_secret.get_secret_value())
    return 0


@app.command
def sql(query: str, /, *, home: Home = None, format: Format = "text") -> int:
    """One SELECT over the tables' current snapshots, by DuckDB. Decimals print exactly, times are UTC."""
    from firehose_dagster.lake.query import run_query, to_json, to_text

    rows = run_query(_settings(home), query)
    print(to_json(rows) if format == "json" else to_text(rows))
    return 0


@app.command
def spark_sql(query: str, /, *, home: Home = None) -> int:
    """One statement through Spark's own SQL shell, on the same lake: `lake.crypto.<table>`."""
    from firehose_dagster.lake.spark_shell import run_spark_sql

    return run_spark_sql(_settings(home), query)


@app.command
def verify(*, home: Home = None, format: Format = "text") -> int:
    """Check the promises on what the lake holds; exit 1 on any breach."""
    from firehose_dagster.verification.rendering import to_json, to_text
    from firehose_dagster.verification.verify import verify as verify_lake

    report = verify_lake(_settings(home))
    print(to_json(report) if format == "json" else to_text(report))
    return 0 if report.ok else 1


@app.command
def replay_alerts(spike_id: str, /, *more: str, home: Home = None) -> int:
    """Send dead-lettered spike webhooks again, by their spike ids."""
    from firehose_dagster.alerts.replay import replay

    print(f"{replay(_settings(home), (spike_id, *more))} alerts will be sent again")
    return 0


def _split(symbols: str) -> tuple[str, ...]:
    return tuple(part.strip().upper() for part in symbols.split(",") if part.strip())


def _settings(home: Path | None) -> Settings:
    # By the environment, so that every process started from here has the same home.
    if home is not None:
        os.environ["FIREHOSE_HOME"] = str(home.expanduser().resolve())
    return Settings()


def _stop_on_signal() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop


def _settings_errors(error: ValidationError) -> str:
    lines = [
        f"  FIREHOSE_{'_'.join(str(part) for part in each['loc']).upper()}: {each['msg']}" for each in error.errors()
    ]
    return "settings are not usable:\n" + "\n".join(lines)


def _known_errors() -> tuple[type[Exception], ...]:
    """Errors whose message says all; any other one is a fault of ours and shows its trace."""
    from firehose_dagster.alerts.ledger import LedgerError
    from firehose_dagster.alerts.replay import ReplayError
    from firehose_dagster.gateway.errors import GatewayError
    from firehose_dagster.lake.jars import JarsMissingError, JarsUnresolvedError
    from firehose_dagster.lake.query import QueryError
    from firehose_dagster.local.demo import DEMO_ERRORS
    from firehose_dagster.simulator.options import ExchangeOptionsError
    from firehose_dagster.simulator.server import ExchangePortError
    from firehose_dagster.streams.lease import StreamAlreadyRunningError
    from firehose_dagster.streams.query import StreamFailedError
    from firehose_dagster.streams.topic_offsets import TopicUnusableError
    from firehose_dagster.verification.pinned_lake import StateExpiredError

    return (
        *DEMO_ERRORS,
        GatewayError,
        LedgerError,
        ReplayError,
        JarsMissingError,
        JarsUnresolvedError,
        QueryError,
        ExchangeOptionsError,
        ExchangePortError,
        StreamAlreadyRunningError,
        StreamFailedError,
        TopicUnusableError,
        StateExpiredError,
    )


def main(run: Callable[[], object] = app) -> None:
    """Entry point of `firehose`: an error that a user can meet is one line and exit code 2."""
    log_to_console()
    try:
        sys.exit(run())  # type: ignore[arg-type] # the commands return exit codes
    except ValidationError as error:
        message = _settings_errors(error)
    except Exception as error:
        if not isinstance(error, _known_errors()):
            raise
        message = str(error)
    print(f"firehose: {message}", file=sys.stderr)
    sys.exit(_EXIT_UNUSABLE)


if __name__ == "__main__":
    main()
