"""A real n8n as a process: flows imported and published, started, killed and started again on the same folder."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import httpx
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from firehose_dagster_tests.n8n.install import Installation
from n8n_flows.source.spike_explainer import WEBHOOK_PATH

_COMMAND_TIMEOUT_SECONDS = 120
_START_TIMEOUT_SECONDS = 120
_STOP_TIMEOUT_SECONDS = 30


class N8nServer:
    """One n8n of its own folder and ports, on loopback; `environment` is what its flows read."""

    def __init__(
        self, installation: Installation, folder: Path, port: int, runner_port: int, environment: Mapping[str, str]
    ) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.webhook_url = f"{self.url}/webhook/{WEBHOOK_PATH}"
        self.log = folder / "n8n.log"
        self._installation = installation
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._environment = {
            "PATH": f"{installation.node.parent}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(folder),
            "N8N_USER_FOLDER": str(folder),
            "N8N_LISTEN_ADDRESS": "127.0.0.1",
            "N8N_PORT": str(port),
            "N8N_RUNNERS_BROKER_PORT": str(runner_port),
            "N8N_DIAGNOSTICS_ENABLED": "false",
            "N8N_VERSION_NOTIFICATIONS_ENABLED": "false",
            "N8N_TEMPLATES_ENABLED": "false",
            "N8N_BLOCK_ENV_ACCESS_IN_NODE": "false",
            "NODE_FUNCTION_ALLOW_BUILTIN": "crypto",
            "GENERIC_TIMEZONE": "UTC",
            **environment,
        }

    def publish(self, flows: Mapping[str, Path]) -> None:
        """Import these files, and publish each under its workflow id; not while it runs."""
        for workflow_id, file in flows.items():
            self._command("import:workflow", f"--input={file.resolve()}")
            self._command("publish:workflow", f"--id={workflow_id}")

    def start(self) -> None:
        """Start it and wait until the Spike Explainer answers."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self._words("start"),
                env=self._environment,
                cwd=self._folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait_until_ready()

    def stop(self) -> None:
        """End it as a service manager would."""
        self._end(kill=False)

    def kill(self) -> None:
        """End it as a power cut would."""
        self._end(kill=True)

    def _end(self, *, kill: bool) -> None:
        if self._process is None:
            return
        process, self._process = self._process, None
        if kill:
            process.kill()
        else:
            process.terminate()
        try:
            process.wait(_STOP_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    @retry(
        retry=retry_if_exception_type((httpx.HTTPError, AssertionError)),
        stop=stop_after_delay(_START_TIMEOUT_SECONDS),
        wait=wait_fixed(0.25),
        reraise=True,
    )
    def _wait_until_ready(self) -> None:
        process = self._process
        if process is None or process.poll() is not None:
            raise RuntimeError(f"n8n ended while it started:\n{self.log.read_text()[-2_000:]}")
        # Webhooks are registered some time after n8n says that it is ready; this one refuses what is not signed.
        answer = httpx.post(self.webhook_url, content=b"", trust_env=False)
        assert answer.status_code == httpx.codes.UNAUTHORIZED, answer.text

    def _command(self, *arguments: str) -> None:
        done = subprocess.run(
            self._words(*arguments),
            env=self._environment,
            cwd=self._folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_COMMAND_TIMEOUT_SECONDS,
            check=False,
        )
        if done.returncode != 0:
            raise RuntimeError(f"n8n {' '.join(arguments)}:\n{done.stdout[-2_000:]}")

    def _words(self, *arguments: str) -> Sequence[str]:
        return [str(self._installation.node), str(self._installation.n8n), *arguments]
