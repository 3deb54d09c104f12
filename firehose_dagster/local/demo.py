"""`firehose demo`: everything on this machine, from set-up to a verified lake, in one command."""

import logging
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from types import FrameType

from rich.console import Console
from rich.text import Text

from firehose_dagster.local.broker import prepare_broker
from firehose_dagster.local.dagster_home import write_dagster_home
from firehose_dagster.local.dagster_runs import DagsterRuns, DagsterUnreachableError, close_lost_runs
from firehose_dagster.local.demo_options import DemoOptions, DemoOptionsError
from firehose_dagster.local.demo_session import DemoSession
from firehose_dagster.local.environment import settings_environment
from firehose_dagster.local.installation import Installation, ProgramNotReadyError
from firehose_dagster.local.java import java_executable
from firehose_dagster.local.programs import (
    API,
    DAEMON,
    GATEWAY,
    STREAMS,
    WEBSERVER,
    Program,
    api_program,
    broker_program,
    dagster_programs,
    exchange_program,
    firehose_command,
    gateway_program,
    receiver_program,
    streams_program,
)
from firehose_dagster.local.progress import forget_progress
from firehose_dagster.local.set_up import set_up
from firehose_dagster.local.summary import LiveSummary, Moment, figures
from firehose_dagster.local.supervisor import SupervisorUnreachableError
from firehose_dagster.local.trade_source import TradeSource, choose_source, claim_home
from firehose_dagster.local.webhook_secret import webhook_secret
from firehose_dagster.settings import Settings

_LOGGER = logging.getLogger(__name__)


INTERRUPTED = 130

_STARTED_LAST = (WEBSERVER, DAEMON, GATEWAY, STREAMS, API)
"""They look for the others when they start."""


def run_demo(options: DemoOptions, settings: Settings, console: Console | None = None) -> int:
    """Run until the options' end condition or Ctrl-C, stop everything, and return the exit code.

    0 after `--for` or `--until-caught-up` only where `firehose verify` passed; 0 after Ctrl-C where no end was asked
    for, else `INTERRUPTED`.
    Raises an ``ExplainedError``, with everything stopped.
    """
    console = console or Console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    if settings.profile == "stack":
        raise DemoOptionsError("the demo is of the embedded profile; with FIREHOSE_PROFILE=stack use `make up`")
    with _terminate_as_interrupt():
        try:
            set_up(settings, say)
            java = java_executable()
            source = choose_source(options, settings)
            style = "bold yellow" if source.exchange_arguments else "bold green"
            console.print(Text(f"=====  {source.announcement}  =====", style), soft_wrap=True)
            settings = _with_source(settings, source)
            programs = _programs(options, settings, source, java)
            with Installation(settings, programs, java) as installation, _uninterrupted_exit():
                claim_home(source, settings)
                forget_progress(settings)
                settings.state_dir.mkdir(parents=True, exist_ok=True)
                if not settings.kafka_bootstrap:
                    prepare_broker(settings, java)
                if not options.no_ui:
                    write_dagster_home(settings)
                    close_lost_runs(settings)
                names = [program.name for program in programs]
                installation.start(*(name for name in names if name not in _STARTED_LAST), on_progress=say)
                installation.start(*(name for name in names if name in _STARTED_LAST), on_progress=say)
                _print_addresses(options, settings, say)
                landed = _watch(options, settings, installation, console)
        except KeyboardInterrupt:
            say("stopped")
            return 0 if options.for_seconds is None and not options.until_caught_up else INTERRUPTED
    say("what landed: " + ", ".join(f"{label} {value}" for label, value in figures(landed, None).items()))
    return run_verification(settings)


def run_verification(settings: Settings) -> int:
    """`firehose verify` on the home, its output shown as it comes; returns its exit code."""
    command = firehose_command("verify", "--home", str(settings.home))
    return subprocess.run(command, env=_environment(settings), check=False).returncode


def _watch(options: DemoOptions, settings: Settings, installation: Installation, console: Console) -> Moment:
    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    with (
        closing(DemoSession(options, settings, installation, say)) as session,
        LiveSummary(console, f"Crypto Firehose, home {settings.home}; Ctrl-C stops everything") as summary,
    ):
        try:
            session.run(summary)
        except KeyboardInterrupt:
            say("stopping; this takes some seconds")
            _ignore_interrupts()
            try:
                session.end(summary, catch_up=False)
            except (DagsterUnreachableError, SupervisorUnreachableError) as error:
                say(f"not stopped in order, what is left is stopped now: {error}")
            raise
        return session.end(summary, catch_up=True)


def _with_source(settings: Settings, source: TradeSource) -> Settings:
    """The settings that every process of this run gets."""
    changes: dict[str, object] = {"symbols": source.symbols, "webhook_secret": webhook_secret(settings)}
    if source.exchange_arguments is not None:
        changes["exchange_ws_url"] = f"ws://127.0.0.1:{settings.exchange_port}"
        changes["exchange_rest_url"] = f"http://127.0.0.1:{settings.exchange_port}"
    return settings.model_copy(update=changes)


def _programs(options: DemoOptions, settings: Settings, source: TradeSource, java: Path) -> tuple[Program, ...]:
    """In the order they start."""
    programs = [] if settings.kafka_bootstrap else [broker_program(settings, java)]
    if source.exchange_arguments is not None:
        programs.append(exchange_program(settings, source.exchange_arguments))
    if options.no_ui:
        return (*programs, gateway_program(), streams_program())
    if settings.webhook_url is None:
        programs.append(receiver_program(settings))
    return (*programs, *dagster_programs(settings), api_program(settings))


def _print_addresses(options: DemoOptions, settings: Settings, say: Callable[[str], None]) -> None:
    if not options.no_ui:
        error = DagsterRuns(settings).location_error()
        if error is not None:
            raise ProgramNotReadyError(f"Dagster could not load the code location:\n{error}")
        say(f"Dagster UI:   http://{settings.ui_host}:{settings.ui_port}")
        say(f"live page:    http://{settings.api_host}:{settings.api_port} (read API: /docs)")
        say(f"webhooks to:  {settings.webhook_url or f'http://127.0.0.1:{settings.receiver_port} (the demo receiver)'}")
    say(f"Kafka:        {settings.bootstrap_servers}, topic {settings.topic}")
    say(f"exchange:     {settings.exchange_ws_url}, {settings.exchange_rest_url}")
    say(f"query it:     firehose sql --home {settings.home} 'from crypto_gold_minute order by minute desc limit 5'")
    say(f"logs:         {settings.logs_dir}")


def _environment(settings: Settings) -> dict[str, str]:
    return {**os.environ, **settings_environment(settings)}


@contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """SIGTERM (of `firehose stop`) is taken like Ctrl-C; at the end both mean again what they meant before."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore_interrupts() -> None:
    """From here on a second Ctrl-C does not break the stop that the first began."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _uninterrupted_exit() -> Iterator[None]:
    """What is left after this block cannot be interrupted."""
    try:
        yield
    finally:
        _ignore_interrupts()
