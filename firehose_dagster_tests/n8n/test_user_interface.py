"""The flows as a person sees them in n8n's editor: every node drawn, none marked as broken."""

import json
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait

from firehose_dagster_tests.demo.browser import MISSING, browser, open_page, save_picture
from firehose_dagster_tests.n8n.n8n_server import N8nServer
from n8n_flows.source.build import FLOWS

pytestmark = [pytest.mark.n8n, pytest.mark.timeout(300), pytest.mark.skipif(MISSING is not None, reason=str(MISSING))]

FLOW_FILES = {
    "firehose-spike-explainer": FLOWS / "spike_explainer.json",
    "firehose-market-pulse": FLOWS / "market_pulse.json",
}


@pytest.fixture(scope="module")
def page(n8n: N8nServer) -> Iterator[webdriver.Chrome]:
    """A browser in which this n8n's owner, made here, is signed in."""
    owner = {
        "email": "owner@example.com",
        "firstName": "Flow",
        "lastName": "Owner",
        "password": f"Aa1{secrets.token_urlsafe(16)}",
    }
    answer = httpx.post(f"{n8n.url}/rest/owner/setup", json=owner, headers={"browser-id": "tests"}, trust_env=False)
    assert answer.status_code == httpx.codes.OK, answer.text
    with browser() as chromium:
        open_page(chromium, f"{n8n.url}/signin", "sign in")
        chromium.execute_script("localStorage.setItem('n8n-browserId', 'tests')")
        chromium.add_cookie({"name": "n8n-auth", "value": answer.cookies["n8n-auth"], "path": "/"})
        yield chromium


@pytest.mark.parametrize("workflow_id", FLOW_FILES)
def test_the_editor_draws_every_node_of_the_flow(
    n8n: N8nServer, page: webdriver.Chrome, tmp_path: Path, workflow_id: str
) -> None:
    names = [node["name"] for node in json.loads(FLOW_FILES[workflow_id].read_text())["nodes"]]
    images = Path(os.environ.get("FIREHOSE_IMAGES") or tmp_path)
    try:
        open_page(page, f"{n8n.url}/workflow/{workflow_id}", names[0])
        WebDriverWait(page, 60).until(lambda shown: all(name in shown.page_source for name in names))
    finally:
        save_picture(page, images / f"n8n-{workflow_id}.png")
