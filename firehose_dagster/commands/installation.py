"""Set up, run and stop everything on this machine."""

from typing import Annotated

from cyclopts import Parameter

from firehose_dagster.commands.application import Files, Home, Symbols, app, settings_of, split_symbols


@app.command
def setup(*, home: Home = None) -> int:
    """Check Java and fetch the jars of Spark and Kafka; does nothing where that was done."""
    from firehose_dagster.local.set_up import set_up

    set_up(settings_of(home))
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
        symbols=split_symbols(symbols),
        speed=speed,
        shift_to_now=shift_to_now,
        no_ui=no_ui,
    )
    return run_demo(options, settings_of(home))


@app.command
def stop(*, home: Home = None) -> int:
    """Stop everything that runs on the home."""
    from firehose_dagster.local.stop import stop_home

    return stop_home(settings_of(home))
