"""One n8n with both flows, one market and one outside world for all tests that need them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from firehose_dagster_tests.alerts.examples import SECRET, free_port
from firehose_dagster_tests.n8n.install import installation
from firehose_dagster_tests.n8n.market import API_TOKEN, Market, made_market, serving_api
from firehose_dagster_tests.n8n.n8n_server import N8nServer
from firehose_dagster_tests.n8n.outside_world import OutsideWorld, outside_world
from n8n_flows.source.build import FLOWS
from n8n_flows.source.market_pulse import EVERY_HOUR

EVERY_THREE_SECONDS = "*/3 * * * * *"


@pytest.fixture(scope="session")
def services() -> Iterator[OutsideWorld]:
    with outside_world() as world:
        yield world


@pytest.fixture(scope="session")
def market(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Market]:
    home = tmp_path_factory.mktemp("market")
    market = made_market(home)
    with serving_api(market, home / "api.log"):
        yield market


@pytest.fixture(scope="session")
def n8n(tmp_path_factory: pytest.TempPathFactory, services: OutsideWorld, market: Market) -> Iterator[N8nServer]:
    installed = installation()
    if not installed.is_complete:
        pytest.skip(f"no n8n in {installed.directory}: `make test-n8n` builds it")
    folder = tmp_path_factory.mktemp("n8n")
    environment = {
        **services.environment,
        "LAKE_API_URL": market.api_url,
        "FIREHOSE_API_TOKEN": API_TOKEN,
        "FIREHOSE_WEBHOOK_SECRET": SECRET,
        "PULSE_SYMBOLS": "ALPHA,BETA",
    }
    server = N8nServer(installed, folder, free_port(), free_port(), environment)
    server.publish(
        {
            "firehose-spike-explainer": FLOWS / "spike_explainer.json",
            "firehose-market-pulse": _often(FLOWS / "market_pulse.json", folder),
        }
    )
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def world(services: OutsideWorld) -> OutsideWorld:
    """The outside world in order, with nothing received yet."""
    services.forget()
    return services


def _often(flow: Path, folder: Path) -> Path:
    """The flow as it is committed, but for its schedule."""
    text = flow.read_text()
    assert len(re.findall(re.escape(json.dumps(EVERY_HOUR)), text)) == 1
    copy = folder / flow.name
    copy.write_text(text.replace(json.dumps(EVERY_HOUR), json.dumps(EVERY_THREE_SECONDS)))
    return copy
