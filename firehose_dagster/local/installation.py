"""The processes of one home: started in order, watched, stopped as one."""

import logging
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from firehose_dagster.errors import ExplainedError
from firehose_dagster.local.environment import process_environment
from firehose_dagster.local.home_lock import HomeLock
from firehose_dagster.local.leftovers import stop_leftovers
from firehose_dagster.local.owner_watch import start_owner_watch
from firehose_dagster.local.ports import require_free
from firehose_dagster.local.programs import Program
from firehose_dagster.local.supervisor import ProgramState, Supervisor, SupervisorUnreachableError
from firehose_dagster.settings import Settings

_LOGGER = logging.getLogger(__name__)

_POLL_SECONDS = 0.3
_SUPERVISOR_READY_SECONDS = 30.0
_BACKOFF_PATIENCE_SECONDS = 12.0
"""A program that keeps dying at its start for this long will not come up."""
_SHOWN_LOG_LINES = 15


class ProgramNotReadyError(ExplainedError):
    """A program did not come up; the message ends with the last lines of its log."""


class Installation:
    """Owns the processes of `settings.home`. Use as a context manager, or call `stop` in the end."""

    def __init__(self, settings: Settings, programs: Sequence[Program], java: Path | None = None) -> None:
        self._settings = settings
        self._programs = {program.name: program for program in programs}
        self._java = java
        self._lock = HomeLock(settings.home)
        self._supervisor: Supervisor | None = None
        self._watcher: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def open(self) -> None:
        """Take the home, stop what a dead owner left, check the ports, and start the supervisor with nothing running.

        Raises `AlreadyRunningError`, `PortTakenError`.
        """
        self._lock.acquire()
        try:
            stop_leftovers(self._settings.home)
            require_free(
                {setting: (host, port) for program in self._programs.values() for setting, host, port in program.ports}
            )
            self._watcher = start_owner_watch(self._settings.home)
            self._supervisor = Supervisor(
                self._settings, tuple(self._programs.values()), process_environment(self._settings, self._java)
            )
            self._wait_for_supervisor(self._supervisor)
        except BaseException:
            self.stop()
            raise

    def start(self, *names: str, on_progress: Callable[[str], None] = print) -> None:
        """Start the named programs, or all, at once; return when each is ready. Raises `ProgramNotReadyError`."""
        chosen = names or tuple(self._programs)
        started = time.monotonic()
        for name in chosen:
            self._running_supervisor().start_program(name)
        for name in chosen:
            self._wait_ready(self._programs[name], started)
            elapsed_seconds = time.monotonic() - started
            on_progress(f"{name}: ready after {elapsed_seconds:.1f} s, log {self.log_path(name)}")

    def stop_program(self, name: str) -> None:
        """Stop one program and wait until it is gone."""
        self._running_supervisor().stop_program(name)

    def states(self) -> Mapping[str, ProgramState]:
        """What each program does now. Raises `SupervisorUnreachableError`."""
        return self._running_supervisor().states()

    def is_alive(self) -> bool:
        """Whether the supervisor still runs."""
        return self._supervisor is not None and self._supervisor.is_alive()

    def log_path(self, name: str) -> Path:
        """Where a program's output goes."""
        return self._settings.logs_dir / f"{name}.log"

    def stop(self) -> None:
        """Stop every program in reverse order and give the home back. May be called twice."""
        if self._supervisor is not None:
            self._supervisor.stop()
            self._supervisor = None
            stop_leftovers(self._settings.home)
        if self._watcher is not None:
            # Not SIGTERM: one started by a script in the background may ignore it, and so do its children.
            self._watcher.kill()
            self._watcher.wait()
            self._watcher = None
        self._lock.release()
        _LOGGER.info("installation stopped home=%s pid=%d", self._settings.home, os.getpid())

    def _running_supervisor(self) -> Supervisor:
        if self._supervisor is None:
            raise SupervisorUnreachableError("the installation is not open")
        return self._supervisor

    def _wait_for_supervisor(self, supervisor: Supervisor) -> None:
        deadline = time.monotonic() + _SUPERVISOR_READY_SECONDS
        while True:
            try:
                supervisor.states()
                return
            except SupervisorUnreachableError:
                if not supervisor.is_alive() or time.monotonic() > deadline:
                    raise ProgramNotReadyError(
                        f"supervisord did not come up:\n{_tail(self._settings.logs_dir / 'supervisord.log')}"
                    ) from None
            time.sleep(_POLL_SECONDS)  # between two looks at another process

    def _wait_ready(self, program: Program, started: float) -> None:
        healthy_at = time.monotonic()
        while True:
            state = self.states()[program.name]
            now = time.monotonic()
            if state.state == "RUNNING" and (program.is_ready is None or program.is_ready()):
                return
            if state.state not in {"BACKOFF", "FATAL", "EXITED"}:
                # A start that lasts only until the next failure is no sign of health.
                healthy_at = now if state.state == "RUNNING" else healthy_at
            elif now - healthy_at > _BACKOFF_PATIENCE_SECONDS:
                raise self._not_ready(program, f"keeps ending at its start ({state.description})")
            if now - started > program.ready_seconds:
                raise self._not_ready(program, f"is {state.state}, but not ready after {program.ready_seconds:.0f} s")
            time.sleep(_POLL_SECONDS)  # between two looks at another process

    def _not_ready(self, program: Program, what: str) -> ProgramNotReadyError:
        path = self.log_path(program.name)
        return ProgramNotReadyError(f"{program.name} {what}; the end of {path}:\n{_tail(path)}")


def _tail(path: Path) -> str:
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return "  (no log)"
    return "\n".join(f"  {line}" for line in lines[-_SHOWN_LOG_LINES:])
