"""The stack's user interfaces that run without a container are opened as a person does: Spark's, Dagster's, the page.

The tests look at the stack of `test_stack.py`. Pictures go to FIREHOSE_IMAGES where that is set.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from firehose_dagster_tests.demo.browser import MISSING, browser, open_page, save_picture
from firehose_dagster_tests.demo.running_demo import until
from firehose_dagster_tests.stack.running_stack import RunningStack
from firehose_dagster_tests.stack.test_stack import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.stack,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(MISSING is not None, reason=str(MISSING)),
]


@pytest.fixture(scope="module")
def page(stack: RunningStack) -> Iterator[webdriver.Chrome]:
    """A browser, once the stream has brought trades into gold: before that there is nothing to look at."""
    until(lambda: stack.materializations("crypto_gold_minute") > 0, "gold was not materialized", PATIENCE_SECONDS)
    with browser() as chromium:
        yield chromium


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("FIREHOSE_IMAGES")
    return Path(named) if named else tmp_path_factory.mktemp("images")


def test_the_spark_master_shows_its_worker_and_the_stream(
    stack: RunningStack, page: webdriver.Chrome, images: Path
) -> None:
    open_page(page, stack.spark_ui.removesuffix("json/"), "Workers: 1 Alive")
    assert "Applications: 1 Running" in page.find_element(By.TAG_NAME, "body").text
    save_picture(page, images / "spark-master.png")


def test_the_spark_worker_shows_its_executor(stack: RunningStack, page: webdriver.Chrome, images: Path) -> None:
    open_page(page, stack.spark_worker_ui, "Running Executors (1)")
    save_picture(page, images / "spark-worker.png")


def test_dagster_shows_gold_with_the_bucket_it_lies_in(
    stack: RunningStack, page: webdriver.Chrome, images: Path
) -> None:
    open_page(page, f"{stack.url}/assets/crypto_gold_minute?view=events", "rows to silver")
    save_picture(page, images / "stack-gold.png")


def test_the_live_page_shows_the_lake_in_the_bucket_to_who_has_the_token(
    stack: RunningStack, page: webdriver.Chrome, images: Path
) -> None:
    open_page(page, stack.api_url, "asks for a token")
    page.find_element(By.ID, "token").send_keys(stack.settings.api_token.get_secret_value(), Keys.ENTER)
    WebDriverWait(page, 60).until(lambda shown: "BTCUSDT" in shown.find_element(By.TAG_NAME, "body").text)
    save_picture(page, images / "stack-live-page.png")
