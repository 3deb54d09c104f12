"""One process of the pipeline in the foreground."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from firehose_dagster.commands.application import Files, Home, Symbols, app, settings_of, split_symbols, stop_on_signal


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
    history_sent: Path | None = None,
    duration_seconds: float | None = None,
    speed: float = 1.0,
    shift_to_now: Annotated[bool, Parameter(negative="")] = False,
    connection_max_age_seconds: float = 86_400.0,
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
    history_sent
        Synthetic: a file that remembers which symbols had their history, so that a restart sends none again.
    duration_seconds
        Synthetic: the market closes this long after the start.
    speed
        Files: 1 is the recorded pace, 0 as fast as the client reads.
    shift_to_now
        Files: map recorded times to now.
    connection_max_age_seconds
        Connections are closed at this age.
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
            symbols=split_symbols(symbols) or DEFAULT_SYMBOLS,
            rate=rate,
            history_minutes=history_minutes,
            history_sent=history_sent,
            duration_seconds=duration_seconds,
            speed=speed,
            shift_to_now=shift_to_now,
            connection_max_age_seconds=connection_max_age_seconds,
            host=host,
            port=settings_of(None).exchange_port if port is None else port,
        )
    )
    return 0


@app.command
def gateway(*, home: Home = None) -> int:
    """Collect trades from the exchange into the topic, in the foreground, until stopped."""
    from firehose_dagster.gateway.process import run_gateway
    from firehose_dagster.lineage.switch import gateway_lineage

    settings = settings_of(home)
    with gateway_lineage(settings) as tell:
        run_gateway(settings, stop_on_signal(), lambda status: tell(status.delivered))
    return 0


@app.command
def streams(*, home: Home = None, until_caught_up: Annotated[bool, Parameter(negative="")] = False) -> int:
    """Take the topic through bronze, silver, quarantine and gold, in the foreground.

    Parameters
    ----------
    until_caught_up
        Stop at the topic's end as it is now.
    """
    from firehose_dagster.streams.lease import refuse_if_held

    settings = settings_of(home)
    # Before what it runs on is loaded: a second stream hears at once that there is one.
    refuse_if_held(settings)
    from firehose_dagster.lineage.switch import stream_lineage
    from firehose_dagster.streams.host import run_streams

    with stream_lineage(settings) as tell:
        progress = run_streams(
            settings, stop_on_signal(), until_caught_up=until_caught_up, on_batch=lambda batch, _: tell(batch)
        )
    print(
        f"rows in {progress.rows_in}, silver {progress.silver}, quarantine {progress.quarantine}, "
        f"duplicates {progress.duplicates}, gold minutes {progress.gold_minutes}, spikes {progress.spikes}"
    )
    return 0


@app.command
def receiver(*, home: Home = None) -> int:
    """The demo's webhook receiver: verifies each alert's signature and prints it."""
    from firehose_dagster.alerts.receiver import run_receiver

    settings = settings_of(home)
    run_receiver(settings.receiver_port, settings.webhook_secret.get_secret_value())
    return 0
