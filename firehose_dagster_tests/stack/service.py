"""A process that stands for one service of the stack: started, killed as by a power cut, started again."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

STOP_SECONDS = 30.0
_SHOWN_LOG_LINES = 20


@dataclass
class Service:
    """One process with all that it starts, in a process group of its own."""

    name: str
    command: tuple[str, ...]
    log: Path
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict)
    ready_seconds: float = 60.0
    user: str | None = None
    """Whom it runs as, for programs that refuse to be root."""
    stop_signal: signal.Signals = signal.SIGTERM
    _process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    def start(self) -> None:
        """Start it and wait until it is ready."""
        self.launch()
        self.wait_ready()

    def launch(self) -> None:
        """Start it."""
        with self.log.open("ab") as output:
            self._process = subprocess.Popen(
                self.command,
                env={**os.environ, **self.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                cwd=self.log.parent,
            )

    def wait_ready(self) -> None:
        """Fail with the end of its log where it does not come up."""
        deadline = time.monotonic() + self.ready_seconds
        while not self.is_ready():
            assert self._process is not None
            assert self._process.poll() is None, f"{self.name} ended:\n{self.last_lines()}"
            assert time.monotonic() < deadline, f"{self.name} is not ready:\n{self.last_lines()}"
            time.sleep(0.2)  # between two looks at another process

    def kill(self) -> None:
        """SIGKILL to it and to all that it started."""
        self._signal(signal.SIGKILL)
        assert self._process is not None
        self._process.wait()

    def stop(self) -> None:
        """Ask it to end; kill what does not."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(self.stop_signal)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(STOP_SECONDS)
        self._signal(signal.SIGKILL)
        self._process.wait()

    def last_lines(self) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-_SHOWN_LOG_LINES:])

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)
