"""Pictures of the running system for the README: `make docs`. Needs Chromium and its driver on the path.

Starts the demo on a made-up market in a temporary home and on free ports, waits until gold was materialized, takes the
pictures in a headless browser, and materializes gold by the button as a person does: once while the stream runs, once
after it was terminated.
"""

import argparse
import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

_IMAGES = Path(__file__).parent / "images"
_PORTS = ("UI", "CODE_SERVER", "BROKER", "BROKER_CONTROLLER", "EXCHANGE", "RECEIVER")
_GOLD = "crypto_gold_minute"
_START_PATIENCE_SECONDS = 300
_RUN_PATIENCE_SECONDS = 240
_FLAGS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, default=_IMAGES)
    images: Path = parser.parse_args().images
    images.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="firehose-docs-") as home, demo(Path(home)) as url:
        ui = Dagster(url)
        until(lambda: ui.materializations(_GOLD) > 0, _START_PATIENCE_SECONDS, "gold was not materialized")
        with browser() as page:
            picture(page, f"{url}/asset-graph", images / "asset-graph.png", "crypto_gold_minute")
            picture(page, f"{url}/assets/{_GOLD}", images / "gold-materialization.png", "rows to silver")
            materialize(page, ui, images / "materialize-while-streaming.png")
            ui.terminate_runs("streams")
            materialize(page, ui, images / "materialize-without-stream.png")


class Dagster:
    """What the pictures need of the webserver's GraphQL."""

    def __init__(self, url: str) -> None:
        self.url = url

    def ask(self, query: str, **variables: object) -> dict[str, object]:
        answer = httpx.post(f"{self.url}/graphql", json={"query": query, "variables": variables}, timeout=30).json()
        if "errors" in answer:
            raise RuntimeError(str(answer["errors"]))
        data: dict[str, object] = answer["data"]
        return data

    def materializations(self, asset: str) -> int:
        query = """query M($key: AssetKeyInput!) { assetOrError(assetKey: $key) {
          ... on Asset { assetMaterializations(limit: 5) { runId } } } }"""
        found = self.ask(query, key={"path": [asset]})["assetOrError"]
        return len(found.get("assetMaterializations", [])) if isinstance(found, dict) else 0

    def runs(self, job: str) -> list[dict[str, str]]:
        query = """query R($filter: RunsFilter!) { runsOrError(filter: $filter, limit: 20) {
          ... on Runs { results { runId status } } } }"""
        found = self.ask(query, filter={"pipelineName": job})["runsOrError"]
        results: list[dict[str, str]] = found["results"] if isinstance(found, dict) else []
        return results

    def terminate_runs(self, job: str) -> None:
        ids = [run["runId"] for run in self.runs(job) if run["status"] == "STARTED"]
        mutation = "mutation T($ids: [String!]!) { terminateRuns(runIds: $ids) { __typename } }"
        self.ask(mutation, ids=ids)
        until(
            lambda: all(run["status"] != "STARTED" and run["status"] != "CANCELING" for run in self.runs(job)),
            _RUN_PATIENCE_SECONDS,
            f"runs of {job} did not end",
        )


def materialize(page: webdriver.Chrome, ui: Dagster, path: Path) -> None:
    """Press *Materialize* on gold, wait for the run's success, and picture it."""
    before = {run["runId"] for run in ui.runs("__ASSET_JOB")}
    page.get(f"{ui.url}/assets/{_GOLD}")
    button = WebDriverWait(page, 60).until(
        lambda shown: next(
            (each for each in shown.find_elements(By.TAG_NAME, "button") if each.text.startswith("Materialize")), None
        )
    )
    if button is None:
        raise AssertionError("waiting ends with a button or an error")
    button.click()
    new: list[str] = []

    def launched() -> bool:
        new[:] = [run["runId"] for run in ui.runs("__ASSET_JOB") if run["runId"] not in before]
        return bool(new)

    until(launched, 60, "the button launched no run")
    until(
        lambda: any(run["runId"] == new[0] and run["status"] == "SUCCESS" for run in ui.runs("__ASSET_JOB")),
        _RUN_PATIENCE_SECONDS,
        "the run of the button did not succeed",
    )
    picture(page, f"{ui.url}/runs/{new[0]}", path, "SUCCESS")


def picture(page: webdriver.Chrome, address: str, path: Path, awaited_text: str) -> None:
    """Open the address, wait until the text is on the page and the layout is quiet, and save what is seen."""
    page.get(address)
    WebDriverWait(page, 60).until(lambda shown: awaited_text.lower() in shown.page_source.lower())
    previous = b""
    for _ in range(20):
        time.sleep(1)
        current = page.get_screenshot_as_png()
        if current == previous:
            break
        previous = current
    path.write_bytes(page.get_screenshot_as_png())
    print(f"picture: {path}")


@contextlib.contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """A headless Chromium of its own profile."""
    options = webdriver.ChromeOptions()
    options.binary_location = _found("chromium", "chromium-browser", "google-chrome")
    with tempfile.TemporaryDirectory(prefix="firehose-browser-") as profile:
        for flag in (*_FLAGS, "--window-size=1600,1000", f"--user-data-dir={profile}"):
            options.add_argument(flag)
        page = webdriver.Chrome(options=options, service=Service(_found("chromedriver")))
        try:
            yield page
        finally:
            page.quit()


@contextlib.contextmanager
def demo(home: Path) -> Iterator[str]:
    """The demo on a made-up market; yields the UI's address."""
    ports = dict(zip(_PORTS, free_ports(len(_PORTS)), strict=True))
    environment = {**os.environ, **{f"FIREHOSE_{name}_PORT": str(port) for name, port in ports.items()}}
    command = [sys.executable, "-m", "firehose_dagster.cli", "demo", "--home", str(home), "--synthetic"]
    log = home.with_suffix(".log")
    with log.open("w") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            url = f"http://127.0.0.1:{ports['UI']}"
            until(lambda: answers(url) or process.poll() is not None, _START_PATIENCE_SECONDS, "the UI did not start")
            if process.poll() is not None:
                raise RuntimeError(f"the demo ended:\n{log.read_text()}")
            yield url
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=180)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/server_info", timeout=2).is_success
    except httpx.HTTPError:
        return False


def until(condition: Callable[[], bool], patience_seconds: float, otherwise: str) -> None:
    deadline = time.monotonic() + patience_seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"{otherwise} within {patience_seconds} s")
        time.sleep(1)


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def _found(*names: str) -> str:
    path = next((found for name in names if (found := shutil.which(name))), None)
    if path is None:
        raise SystemExit(f"none of {', '.join(names)} is on the path: install Chromium and its driver")
    return path


if __name__ == "__main__":
    main()
