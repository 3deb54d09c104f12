"""The application in-process, over lakes without a JVM."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from firehose_dagster.api.application import create_application
from firehose_dagster.settings import Settings
from firehose_dagster_tests.api.market_lake import Market, write_market
from firehose_dagster_tests.verification.small_lake import small_lake, write

NEWEST = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)


@pytest.fixture(scope="session")
def small_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small consistent lake: ALPHA and BETA, 09:40 to 10:19, three spikes. Read it, do not write to it."""
    settings = Settings(home=tmp_path_factory.mktemp("small"))
    write(settings, small_lake())
    return settings


@pytest.fixture(scope="session")
def market_settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Five symbols, 26 hours up to NEWEST. Read it, do not write to it."""
    settings = Settings(home=tmp_path_factory.mktemp("market"))
    write_market(settings, Market(NEWEST, minutes=26 * 60))
    return settings


@pytest.fixture
def own_settings(tmp_path: Path) -> Settings:
    """The small lake, of this test alone."""
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    return settings


@pytest.fixture
def small(small_settings: Settings) -> Iterator[TestClient]:
    """Asks the API over the small lake."""
    with TestClient(create_application(small_settings)) as client:
        yield client


@pytest.fixture
def market(market_settings: Settings) -> Iterator[TestClient]:
    """Asks the API over the market."""
    with TestClient(create_application(market_settings)) as client:
        yield client


def data(client: TestClient, path: str, **parameters: Any) -> Any:
    """The data of an answer that must be good."""
    answer = client.get(path, params=parameters)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]
