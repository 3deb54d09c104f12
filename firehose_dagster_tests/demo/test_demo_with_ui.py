"""The whole demo with Dagster: looked at in a browser, materialized by hand, terminated, killed part by part, verified.

One demo serves all tests of this module, in their order. The pictures go to FIREHOSE_IMAGES where that is set (`make
docs` sets it), else to a temporary folder.
"""

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import psutil
import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from firehose_dagster_tests.demo.browser import (
    MISSING,
    browser,
    open_page,
    press,
    save_picture,
)
from firehose_dagster_tests.demo.running_demo import RunningDemo, running_demo, until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.timeout(900)]
needs_browser = pytest.mark.skipif(MISSING is not None, reason=str(MISSING))

GOLD = "crypto_gold_minute"
SILVER_CHECKS = 5
LINEAGE = {
    # What each is made from, back to the exchange. The graph cuts long names in their middle.
    "ops_audit": ("_aggtrades", "kafka_bi", "crypto_b", "crypto_sil", "crypto_quarantine", "crypto_gold_minute"),
    "ops_deliveries": ("_aggtrades", "kafka_bi", "crypto_b", "crypto_sil", "crypto_gold_minute", "crypto_spikes"),
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    with running_demo(tmp_path_factory.mktemp("demo") / "home") as running:
        yield running


@pytest.fixture(scope="module")
def page() -> Iterator[webdriver.Chrome]:
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("FIREHOSE_IMAGES")
    return Path(named) if named else tmp_path_factory.mktemp("images")


@needs_browser
@pytest.mark.parametrize("asset", LINEAGE)
def test_the_graph_leads_back_to_the_exchange(
    demo: RunningDemo, page: webdriver.Chrome, images: Path, asset: str
) -> None:
    open_page(page, f"{demo.url}/assets/{asset}?view=lineage&lineageScope=upstream&lineageDepth=8", asset)
    try:
        WebDriverWait(page, 30).until(lambda shown: all(name in shown.page_source for name in LINEAGE[asset]))
    finally:
        save_picture(page, images / f"graph-of-{asset}.png")


@needs_browser
def test_a_materialization_shows_what_went_in_and_out(demo: RunningDemo, page: webdriver.Chrome, images: Path) -> None:
    open_page(page, f"{demo.url}/assets/{GOLD}?view=events", "rows to silver")
    save_picture(page, images / "gold-materialization.png")


@needs_browser
def test_soon_after_the_first_trades_the_checks_of_silver_are_green(
    demo: RunningDemo, page: webdriver.Chrome, images: Path
) -> None:
    until(lambda: "SUCCESS" in {run["status"] for run in demo.runs("verify_promises")}, "no verification succeeded")
    open_page(page, f"{demo.url}/assets/crypto_silver_trades?view=checks", "silver_is_contiguous")
    WebDriverWait(page, 60).until(lambda shown: _seen(shown).count("Succeeded") == SILVER_CHECKS)
    save_picture(page, images / "checks-of-silver.png")
    assert "Failed" not in _seen(page)


@needs_browser
def test_the_schedules_and_sensors_are_seen(demo: RunningDemo, page: webdriver.Chrome, images: Path) -> None:
    open_page(page, f"{demo.url}/automation", "verify_what_was_materialized")
    save_picture(page, images / "automation.png")


@needs_browser
def test_materialize_on_gold_while_the_stream_runs_waits_for_it(
    demo: RunningDemo, page: webdriver.Chrome, images: Path
) -> None:
    pid = demo.stream_pid()
    _materialize_gold(demo, page, images / "materialize-while-streaming.png")
    assert demo.stream_pid() == pid


def test_a_run_that_a_person_terminated_stays_off(demo: RunningDemo) -> None:
    run_id = demo.terminate("streams")
    query = """query T($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) {
      ... on Sensor { sensorState { ticks(limit: 3) { skipReason } } } } }"""
    sensor = {
        "repositoryLocationName": demo.location(),
        "repositoryName": "__repository__",
        "sensorName": "streams_keep_alive",
    }

    def seen_three_times() -> bool:
        ticks = demo.ask(query, sensor=sensor)["sensorOrError"]["sensorState"]["ticks"]
        return len(ticks) == 3 and all("terminated by a person" in str(tick["skipReason"]) for tick in ticks)

    until(seen_three_times, "the sensor did not leave the run off")
    assert demo.runs("streams")[0]["runId"] == run_id


@needs_browser
def test_materialize_on_gold_without_a_stream_catches_up_and_ends(
    demo: RunningDemo, page: webdriver.Chrome, images: Path
) -> None:
    pid = demo.stream_pid()
    _materialize_gold(demo, page, images / "materialize-without-stream.png")
    assert demo.stream_pid() != pid


def test_a_run_started_by_a_person_goes_on(demo: RunningDemo) -> None:
    pid = demo.stream_pid()
    demo.launch("streams")
    until(lambda: demo.stream_pid() != pid and demo.progress().batches > 0, "the stream was not started")


@pytest.mark.parametrize(
    "pid_of",
    [RunningDemo.stream_pid, RunningDemo.gateway_pid, RunningDemo.broker_pid],
    ids=["driver", "gateway", "broker"],
)
def test_what_is_killed_comes_back_by_itself(demo: RunningDemo, pid_of: Callable[[RunningDemo], int]) -> None:
    killed = pid_of(demo)
    psutil.Process(killed).kill()
    until(lambda: _pid(demo, pid_of) not in (None, killed), "the process did not come back")
    rows = sum(demo.progress().offsets.values())
    until(lambda: sum(demo.progress().offsets.values()) > rows, "no trade arrived in silver after it")


def test_spikes_were_delivered_and_verified_by_the_receiver(demo: RunningDemo) -> None:
    answer = demo.firehose(
        "sql", "select outcome, count(*) as attempts from ops_deliveries group by outcome", "--format", "json"
    )
    outcomes = {row["outcome"]: row["attempts"] for row in json.loads(answer.stdout)}
    assert outcomes.get("delivered", 0) > 0, outcomes


def test_the_read_api_answers_from_the_lake_that_is_being_written(demo: RunningDemo) -> None:
    answer = httpx.get(f"http://127.0.0.1:{demo.settings.api_port}/v1/pulse", timeout=30).json()
    assert answer["is_fresh"]
    assert {symbol["symbol"] for symbol in answer["data"]} == {*demo.settings.symbols}


def test_after_all_this_every_promise_holds(demo: RunningDemo) -> None:
    def green() -> bool:
        answer = demo.firehose("verify", "--format", "json")
        return answer.returncode == 0

    # A heal may still be under way when the question is asked first.
    until(green, "verify found a breach", patience_seconds=120)


def _materialize_gold(demo: RunningDemo, page: webdriver.Chrome, picture: Path) -> None:
    """Press the button as a person does, wait for its run's success, and picture the run."""
    before = {run["runId"] for run in demo.runs()}
    open_page(page, f"{demo.url}/assets/{GOLD}", "Row count")
    WebDriverWait(page, 60).until(lambda shown: press(shown, "Materialize"))

    def launched() -> list[str]:
        # Schedules and sensors run jobs of their own names; the button's run is of the job that has all assets.
        return [run["runId"] for run in demo.runs("__ASSET_JOB") if run["runId"] not in before]

    try:
        until(lambda: bool(launched()), "the button launched no run", patience_seconds=60)
    finally:
        save_picture(page, picture)
    run_id = launched()[0]
    until(lambda: demo.status_of(run_id) in ("SUCCESS", "FAILURE", "CANCELED"), "the run did not end")
    open_page(page, f"{demo.url}/runs/{run_id}", "trade_stream")
    save_picture(page, picture)
    assert demo.status_of(run_id) == "SUCCESS"


def _seen(page: webdriver.Chrome) -> str:
    return str(page.execute_script("return document.body.innerText"))


def _pid(demo: RunningDemo, pid_of: Callable[[RunningDemo], int]) -> int | None:
    try:
        return pid_of(demo)
    except StopIteration:
        return None
