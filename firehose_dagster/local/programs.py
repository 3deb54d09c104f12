"""Which processes an installation consists of, and the command of each."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx

from firehose_dagster.local.broker import broker_answers, broker_command
from firehose_dagster.local.ports import is_answered
from firehose_dagster.settings import Settings

BROKER = "broker"
EXCHANGE = "exchange"
RECEIVER = "receiver"
CODE_SERVER = "code-server"
WEBSERVER = "webserver"
DAEMON = "daemon"
GATEWAY = "gateway"
STREAMS = "streams"
API = "api"

_PROBE_TIMEOUT_SECONDS = 2.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """A process that the supervisor keeps alive."""

    name: str
    command: tuple[str, ...]
    is_ready: Callable[[], bool] | None = None
    """Asked again and again after the start; None: running is ready enough."""
    ready_seconds: float = 60.0
    """Longest time until `is_ready`."""
    stop_seconds: int = 20
    """After the stop signal and this long it is killed."""
    stops_group: bool = True
    """The stop signal goes to its children too. Not to Dagster's run workers, which finish by themselves."""
    ports: tuple[tuple[str, str, int], ...] = ()
    """Setting, address and port of each listener, checked before the start."""


def firehose_command(*arguments: str) -> tuple[str, ...]:
    """A `firehose` command with this interpreter."""
    return (sys.executable, "-m", "firehose_dagster.cli", *arguments)


def broker_program(settings: Settings, java: Path) -> Program:
    """The embedded Kafka. Raises `lake.jars.JarsMissingError`."""
    return Program(
        name=BROKER,
        command=broker_command(settings, java),
        is_ready=lambda: broker_answers(settings),
        ready_seconds=90,
        stop_seconds=30,
        ports=(
            ("broker_port", _LOOPBACK, settings.broker_port),
            ("broker_controller_port", _LOOPBACK, settings.broker_controller_port),
        ),
    )


def exchange_program(settings: Settings, arguments: Sequence[str]) -> Program:
    """The exchange simulator; `arguments` say what it sends. Reading many files takes its time."""
    return Program(
        name=EXCHANGE,
        command=firehose_command("exchange", *arguments, "--port", str(settings.exchange_port)),
        is_ready=lambda: answers_ok(f"http://{_LOOPBACK}:{settings.exchange_port}/api/v3/ping"),
        ready_seconds=180,
        ports=(("exchange_port", _LOOPBACK, settings.exchange_port),),
    )


def receiver_program(settings: Settings) -> Program:
    """The demo's webhook receiver."""
    return Program(
        name=RECEIVER,
        command=firehose_command("receiver"),
        is_ready=lambda: answers_ok(f"http://{_LOOPBACK}:{settings.receiver_port}/status"),
        ports=(("receiver_port", _LOOPBACK, settings.receiver_port),),
    )


def dagster_programs(settings: Settings) -> tuple[Program, ...]:
    """Code server, webserver and daemon, in the order they start."""
    workspace = str(settings.dagster_home / "workspace.yaml")
    return (
        Program(
            name=CODE_SERVER,
            command=(
                *(sys.executable, "-m", "dagster", "api", "grpc", "--use-python-environment-entry-point"),
                *("-h", _LOOPBACK, "-p", str(settings.code_server_port), "-m", "firehose_dagster.definitions"),
            ),
            is_ready=lambda: is_answered(_LOOPBACK, settings.code_server_port),
            ready_seconds=120,
            stops_group=False,
            ports=(("code_server_port", _LOOPBACK, settings.code_server_port),),
        ),
        Program(
            name=WEBSERVER,
            command=(
                *(sys.executable, "-m", "dagster_webserver"),
                *("-h", settings.ui_host, "-p", str(settings.ui_port), "-w", workspace),
            ),
            is_ready=lambda: answers_ok(f"http://{_reachable(settings.ui_host)}:{settings.ui_port}/server_info"),
            ready_seconds=120,
            ports=(("ui_port", settings.ui_host, settings.ui_port),),
        ),
        Program(name=DAEMON, command=(sys.executable, "-m", "dagster._daemon", "run", "-w", workspace)),
    )


def api_program(settings: Settings) -> Program:
    """The read API with its live page; before there is a lake it says so."""
    return Program(
        name=API,
        command=firehose_command("api"),
        is_ready=lambda: answers_ok(f"http://{_reachable(settings.api_host)}:{settings.api_port}/"),
        ports=(("api_port", settings.api_host, settings.api_port),),
    )


def gateway_program() -> Program:
    """The gateway without Dagster."""
    # The last answers of REST are waited for, then Kafka's confirmations, for half a minute at most.
    return Program(name=GATEWAY, command=firehose_command("gateway"), stop_seconds=60)


def streams_program() -> Program:
    """The stream without Dagster. It finishes its batch before it stops."""
    return Program(name=STREAMS, command=firehose_command("streams"), stop_seconds=60, stops_group=False)


def _reachable(host: str) -> str:
    """Where this machine asks what listens on `host`."""
    return _LOOPBACK if host in {"0.0.0.0", "::"} else host  # noqa: S104 - compared, not bound


def answers_ok(url: str, timeout_seconds: float = _PROBE_TIMEOUT_SECONDS) -> bool:
    """Whether a GET of `url` is answered with a 2xx status."""
    try:
        return httpx.get(url, timeout=timeout_seconds).is_success
    except (httpx.HTTPError, httpx.InvalidURL):
        return False
