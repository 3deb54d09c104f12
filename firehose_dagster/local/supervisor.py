"""supervisord as this installation runs it: its configuration, its process, and what it says over its socket."""

import hashlib
import logging
import shlex
import subprocess
import sys
import tempfile
import xmlrpc.client
from collections.abc import Callable, Mapping, Sequence
from http.client import HTTPException
from pathlib import Path
from typing import Literal, Protocol, cast

import msgspec

from firehose_dagster.errors import ExplainedError
from firehose_dagster.local.programs import Program
from firehose_dagster.local.unix_socket_rpc import UnixSocketTransport
from firehose_dagster.settings import Settings

_LOGGER = logging.getLogger(__name__)

_LONGEST_SOCKET_PATH = 90
"""Unix sockets end at 104 bytes on macOS, and supervisord binds a name with its pid appended first."""
_SHUTDOWN_TIMEOUT_SECONDS = 150

StateName = Literal["STOPPED", "STARTING", "RUNNING", "BACKOFF", "STOPPING", "EXITED", "FATAL", "UNKNOWN"]


class SupervisorUnreachableError(ExplainedError):
    """supervisord does not answer; it died or is not up yet."""


class ProgramState(msgspec.Struct, frozen=True, rename={"state": "statename"}):
    """What supervisord says of one program."""

    name: str
    state: StateName
    pid: int
    """0 where it does not run."""
    description: str


class _SupervisorInterface(Protocol):
    """supervisord's XML-RPC methods, as far as they are called here."""

    def getAllProcessInfo(self) -> list[dict[str, object]]: ...
    def startProcess(self, name: str, wait: bool) -> bool: ...
    def stopProcess(self, name: str, wait: bool) -> bool: ...


def supervisor_dir(settings: Settings) -> Path:
    """Configuration, socket, pid file and lock."""
    return settings.home / "supervisor"


def socket_path(settings: Settings) -> Path:
    """supervisord's socket: under the home, or a short name in the temporary folder where that path is too long."""
    path = supervisor_dir(settings) / "supervisor.sock"
    if len(str(path).encode()) <= _LONGEST_SOCKET_PATH:
        return path
    digest = hashlib.sha256(str(settings.home).encode()).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"firehose-{digest}.sock"


def supervisor_config(settings: Settings, programs: Sequence[Program]) -> str:
    """`supervisord.conf`: nothing starts by itself; what was started is restarted until it is stopped.

    Programs inherit supervisord's own environment, so that no secret is written to a file. Later programs stop first.
    """
    directory = supervisor_dir(settings)
    sections: dict[str, dict[str, object]] = {
        "unix_http_server": {"file": socket_path(settings), "chmod": "0700"},
        "supervisord": {
            "nodaemon": "true",
            "silent": "true",
            "directory": settings.home,
            "pidfile": directory / "supervisord.pid",
            "childlogdir": settings.logs_dir,
            "logfile": settings.logs_dir / "supervisord.log",
            "logfile_maxbytes": "5MB",
            "logfile_backups": 2,
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
    }
    for priority, program in enumerate(programs, start=1):
        sections[f"program:{program.name}"] = {
            "command": shlex.join(program.command),
            "priority": priority,
            "autostart": "false",
            "autorestart": "true",
            "startsecs": 1,
            # Never given up: supervisord waits a second longer after each failure in a row.
            "startretries": 1_000_000,
            "stopasgroup": str(program.stops_group).lower(),
            "killasgroup": "true",
            "stopwaitsecs": program.stop_seconds,
            "redirect_stderr": "true",
            "stdout_logfile": settings.logs_dir / f"{program.name}.log",
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": 3,
        }
    return "\n".join(
        f"[{section}]\n" + "".join(f"{name}={_escaped(value)}\n" for name, value in values.items())
        for section, values in sections.items()
    )


class Supervisor:
    """A running supervisord, a child of this process. Methods raise `SupervisorUnreachableError` when it is gone."""

    def __init__(self, settings: Settings, programs: Sequence[Program], environment: Mapping[str, str]) -> None:
        """Start it, with no program started yet."""
        directory = supervisor_dir(settings)
        directory.mkdir(parents=True, exist_ok=True)
        settings.logs_dir.mkdir(parents=True, exist_ok=True)
        self._socket = socket_path(settings)
        self._socket.unlink(missing_ok=True)
        config = directory / "supervisord.conf"
        config.write_text(supervisor_config(settings, programs))
        # A session of its own: Ctrl-C in the terminal goes to us alone, and we stop things in their order.
        self._process = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(config)],
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        _LOGGER.info("supervisor started pid=%d config=%s", self._process.pid, config)

    @property
    def pid(self) -> int:
        """Process id of supervisord."""
        return self._process.pid

    def is_alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def states(self) -> dict[str, ProgramState]:
        """Every program by name."""
        answer = self._call(lambda interface: interface.getAllProcessInfo())
        return {state.name: state for state in msgspec.convert(answer, list[ProgramState])}

    def start_program(self, name: str) -> None:
        """Start it and return at once. One that runs already is left as it is."""
        self._call(lambda interface: interface.startProcess(name, False), fault_is_fine="ALREADY_STARTED")

    def stop_program(self, name: str) -> None:
        """Stop it and wait until it is gone. One that does not run is left as it is."""
        self._call(lambda interface: interface.stopProcess(name, True), fault_is_fine="NOT_RUNNING")

    def stop(self) -> None:
        """Stop every program, the last of the list first, then supervisord itself; returns when all are gone."""
        if self.is_alive():
            self._process.terminate()
        try:
            self._process.wait(_SHUTDOWN_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            _LOGGER.warning("supervisor killed pid=%d: not stopped after %d s", self.pid, _SHUTDOWN_TIMEOUT_SECONDS)
            self._process.kill()
            self._process.wait()
        self._socket.unlink(missing_ok=True)

    def _call(self, method: Callable[[_SupervisorInterface], object], fault_is_fine: str | None = None) -> object:
        try:
            with xmlrpc.client.ServerProxy("http://localhost", transport=UnixSocketTransport(self._socket)) as server:
                return method(cast(_SupervisorInterface, server.supervisor))
        except xmlrpc.client.Fault as fault:
            if fault_is_fine is None or fault_is_fine not in fault.faultString:
                raise
            return None
        except (OSError, HTTPException, xmlrpc.client.ProtocolError) as error:
            raise SupervisorUnreachableError(f"supervisord (pid {self.pid}) does not answer: {error}") from error


def _escaped(value: object) -> str:
    """supervisord expands `%(name)s` in values."""
    return str(value).replace("%", "%%")
