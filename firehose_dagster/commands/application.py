"""The application that every command registers with, and what commands share."""

import os
import signal
import threading
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

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


def settings_of(home: Path | None) -> Settings:
    """The settings in force, with `home` in place of FIREHOSE_HOME where it is given."""
    # By the environment, so that every process started from here has the same home.
    if home is not None:
        os.environ["FIREHOSE_HOME"] = str(home.expanduser().resolve())
    return Settings()


def split_symbols(symbols: str) -> tuple[str, ...]:
    """`"btcusdt, ethusdt"` -> `("BTCUSDT", "ETHUSDT")`; empty: none."""
    return tuple(part.strip().upper() for part in symbols.split(",") if part.strip())


def stop_on_signal() -> threading.Event:
    """An event that SIGTERM and SIGINT set, from now on."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    return stop
