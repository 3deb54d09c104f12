"""The demo as a user starts it, on a made-up market, in a home and on ports of its own."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import psutil

from firehose_dagster.gateway.status import read_status
from firehose_dagster.local.ports import free_ports
from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import StreamProgress, read_progress

PATIENCE_SECONDS = 300.0
_PORTS = ("UI", "CODE_SERVER", "BROKER", "BROKER_CONTROLLER", "EXCHANGE", "RECEIVER", "API")


@dataclass(frozen=True)
class RunningDemo:
    """A demo that runs, seen from outside."""

    settings: Settings
    environment: dict[str, str]
    url: str

    def ask(self, query: str, **variables: object) -> Any:
        """The data of a GraphQL answer."""
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=30).json()
        assert "errors" not in answer, answer
        return answer["data"]

    def materializations(self, asset: str) -> int:
        query = """query M($key: AssetKeyInput!) { assetOrError(assetKey: $key) {
          ... on Asset { assetMaterializations(limit: 5) { runId } } } }"""
        return len(self.ask(query, key={"path": [asset]})["assetOrError"].get("assetMaterializations", []))

    def runs(self, job: str | None = None) -> list[dict[str, str]]:
        """Newest first: `runId`, `status` and `jobName`."""
        query = """query R($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 40) {
          ... on Runs { results { runId status jobName } } } }"""
        results: list[dict[str, str]] = self.ask(query, filter={"pipelineName": job})["runsOrError"]["results"]
        return results

    def status_of(self, run_id: str) -> str:
        return next(run["status"] for run in self.runs() if run["runId"] == run_id)

    def terminate(self, job: str) -> str:
        """End the job's run as the UI's button does; returns its id once it is cancelled."""
        run_id = next(run["runId"] for run in self.runs(job) if run["status"] == "STARTED")
        self.ask("mutation T($ids: [String!]!) { terminateRuns(runIds: $ids) { __typename } }", ids=[run_id])
        until(lambda: self.status_of(run_id) == "CANCELED", "the run was not cancelled")
        return run_id

    def launch(self, job: str) -> None:
        """Start the job as the UI's launchpad does."""
        mutation = """mutation L($params: ExecutionParams!) { launchRun(executionParams: $params) {
          __typename ... on PythonError { message } } }"""
        selector = {
            "repositoryLocationName": self.location(),
            "repositoryName": "__repository__",
            "pipelineName": job,
        }
        config = {"ops": {"trade_stream": {"config": {"continuous": True}}}} if job == "streams" else {}
        answer = self.ask(mutation, params={"selector": selector, "runConfigData": config})
        assert answer["launchRun"]["__typename"] == "LaunchRunSuccess", answer

    def location(self) -> str:
        query = "{ workspaceOrError { ... on Workspace { locationEntries { name } } } }"
        name: str = self.ask(query)["workspaceOrError"]["locationEntries"][0]["name"]
        return name

    def progress(self) -> StreamProgress:
        progress = read_progress(self.settings)
        assert progress is not None
        return progress

    def stream_pid(self) -> int:
        return self.progress().pid

    def gateway_pid(self) -> int:
        status = read_status(self.settings)
        assert status is not None
        return status.pid

    def broker_pid(self) -> int:
        home = str(self.settings.home)
        return next(
            process.pid
            for process in psutil.process_iter(["cmdline"])
            if "kafka.Kafka" in (words := process.info["cmdline"] or []) and any(home in word for word in words)
        )

    def firehose(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A `firehose` command on this home."""
        return subprocess.run(
            [sys.executable, "-m", "firehose_dagster.cli", *arguments, "--home", str(self.settings.home)],
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )


@contextlib.contextmanager
def running_demo(home: Path, *arguments: str, source: Sequence[str] = ("--synthetic",)) -> Iterator[RunningDemo]:
    """Start it, wait until gold was materialized, and stop it as Ctrl-C does."""
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    variables = {f"FIREHOSE_{name}_PORT": str(port) for name, port in ports.items()}
    environment = {**os.environ, **variables, "FIREHOSE_HOME": str(home)}
    command = [sys.executable, "-m", "firehose_dagster.cli", "demo", "--home", str(home), *source, *arguments]
    settings = Settings.model_validate({"home": home, **{f"{name.lower()}_port": port for name, port in ports.items()}})
    log = home.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            demo = RunningDemo(settings, environment, f"http://127.0.0.1:{ports['UI']}")
            until(lambda: process.poll() is not None or _answers(demo.url), "the UI did not start")
            assert process.poll() is None, log.read_text()
            until(lambda: demo.materializations("crypto_gold_minute") > 0, "gold was not materialized")
            # What greets a new visitor would cover the pages.
            demo.ask("mutation { setNuxSeen }")
            yield demo
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=180)


def until(condition: Callable[[], bool], otherwise: str, patience_seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for the condition; fail with what did not come true."""
    deadline = time.monotonic() + patience_seconds
    while not condition():
        assert time.monotonic() < deadline, f"{otherwise} within {patience_seconds:.0f} s"
        time.sleep(0.5)  # between two looks at another process


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", timeout=2).is_success
    except httpx.HTTPError:
        return False
