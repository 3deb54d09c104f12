"""What is refused and how: problems, tokens, addresses, cursors; and what the answer says of the lake's state."""

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pydantic import SecretStr

from firehose_dagster.api.application import create_application
from firehose_dagster.api.server import ApiUnprotectedError, is_loopback, require_token_unless_loopback
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings


def problem(client: TestClient, path: str, **parameters: str) -> tuple[int, str, list[str]]:
    """Status, kind, and the parameters named."""
    answer = client.get(path, params=parameters)
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["instance"]) == (answer.status_code, path)
    return body["status"], body["type"].removeprefix("/problems/"), [each["name"] for each in body.get("errors", [])]


@pytest.mark.parametrize(
    ("path", "parameters", "named"),
    [
        ("/v1/minutes", {}, ["query.symbol"]),
        ("/v1/minutes", {"symbol": "A", "limit": "0"}, ["query.limit"]),
        ("/v1/minutes", {"symbol": "A", "start": "2026-01-01T10:00:00"}, ["query.start"]),
        ("/v1/minutes", {"symbol": "A", "start": "1767261600"}, ["query.start"]),
        ("/v1/minutes", {"symbol": "A", "cursor": "never given"}, ["query.cursor"]),
        ("/v1/pulse", {"window_minutes": "1441"}, ["query.window_minutes"]),
        ("/v1/pulse", {"symbol": "A"}, ["query.symbol"]),
        ("/v1/spikes", {"kind": "sideways"}, ["query.kind"]),
        ("/v1/spikes/spike_1", {}, ["path.spike_id"]),
    ],
)
def test_a_parameter_that_is_not_usable_is_named(
    small: TestClient, path: str, parameters: dict[str, str], named: list[str]
) -> None:
    assert problem(small, path, **parameters) == (422, "invalid-request", named)


def test_a_cursor_is_refused_where_it_was_not_given(small: TestClient) -> None:
    cursor = small.get("/v1/minutes", params={"symbol": "ALPHA", "limit": 1}).json()["next_cursor"]
    assert problem(small, "/v1/minutes", symbol="BETA", cursor=cursor) == (422, "invalid-request", ["query.cursor"])


def test_a_cursor_is_good_for_any_page_size_but_for_no_other_filter_or_table(small: TestClient) -> None:
    cursor = small.get("/v1/spikes", params={"limit": 1}).json()["next_cursor"]
    assert len(small.get("/v1/spikes", params={"limit": 2, "cursor": cursor}).json()["data"]) == 2
    for path, others in (("/v1/spikes", {"kind": "price"}), ("/v1/completeness", {}), ("/v1/audit", {})):
        assert problem(small, path, cursor=cursor, **others) == (422, "invalid-request", ["query.cursor"])


def test_unknown_paths_and_methods_are_problems_too(small: TestClient) -> None:
    assert problem(small, "/v2/pulse")[:2] == (404, "not-found")
    answer = small.delete("/v1/pulse")
    assert (answer.status_code, answer.json()["type"]) == (405, "/problems/method-not-allowed")
    assert answer.headers["allow"] == "GET"


@pytest.fixture
def guarded(small_settings: Settings) -> Iterator[TestClient]:
    """With a token."""
    settings = small_settings.model_copy(update={"api_token": SecretStr("correct horse")})
    with TestClient(create_application(settings)) as client:
        yield client


@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", "Basic Y29ycmVjdCBob3JzZQ==", "Bearer correct hors€"]
)
def test_without_the_token_nothing_is_told(guarded: TestClient, header: str | None) -> None:
    headers: dict[bytes, bytes] = {} if header is None else {b"Authorization": header.encode()}
    for path in ("/v1/pulse", "/v1/gold/latest", "/v1/audit"):
        answer = guarded.get(path, headers=headers)
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthorized")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_the_token_opens_and_health_and_page_need_none(guarded: TestClient) -> None:
    assert guarded.get("/v1/pulse", headers={"Authorization": "Bearer correct horse"}).status_code == 200
    assert [guarded.get(path).status_code for path in ("/v1/health", "/", "/static/page.js")] == [200, 200, 200]


_HOSTS = {
    **dict.fromkeys(("127.0.0.1", "127.1.2.3", "::1", "localhost"), True),
    **dict.fromkeys(("0.0.0.0", "::", "192.0.2.7", "api.example"), False),  # noqa: S104 - judged, not bound
}


@pytest.mark.parametrize(("host", "is_own"), _HOSTS.items())
def test_only_loopback_needs_no_token(host: str, is_own: bool) -> None:
    assert is_loopback(host) is is_own
    require_token_unless_loopback(Settings(api_host=host, api_token=SecretStr("t")))
    if not is_own:
        with pytest.raises(ApiUnprotectedError, match=f"FIREHOSE_API_HOST={host} .* FIREHOSE_API_TOKEN"):
            require_token_unless_loopback(Settings(api_host=host))


def test_before_there_is_a_lake_the_api_says_so_and_makes_none(tmp_path: Path) -> None:
    with TestClient(create_application(Settings(home=tmp_path))) as client:
        assert problem(client, "/v1/health")[:2] == (503, "lake-unavailable")
        assert client.get("/v1/pulse").headers["retry-after"] == "5"
    assert list(tmp_path.iterdir()) == []


def test_tables_that_hold_nothing_give_empty_answers(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    create_tables(open_catalog(settings))
    with TestClient(create_application(settings)) as client:
        for path in ("/v1/gold/latest", "/v1/minutes?symbol=BTCUSDT", "/v1/spikes", "/v1/completeness", "/v1/audit"):
            assert client.get(path).json()["data"] == []
        pulse = client.get("/v1/pulse").json()
        assert (pulse["window"], pulse["is_fresh"], pulse["is_complete"], pulse["data"]) == (None, False, False, [])
        assert client.get("/v1/health").json()["status"] == "stale"


def test_a_catalog_that_does_not_answer_is_a_problem_with_a_retry(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, catalog_uri="http://127.0.0.1:9/", warehouse="s3://lake/warehouse")
    with TestClient(create_application(settings)) as client:
        assert problem(client, "/v1/pulse")[:2] == (503, "lake-unavailable")


def test_the_charting_library_is_its_makers_own_file() -> None:
    """litecharts 0.2.0 carries lightweight-charts 5.1.0 as published: the digest is that of the makers' npm package."""
    content = (files("litecharts") / "js" / "lightweight-charts.js").read_bytes()
    assert hashlib.sha256(content).hexdigest() == "756b0ba9f58930226d6b8b9d47ad310448ab85d799ea1f7c2c02304777c10b52"
