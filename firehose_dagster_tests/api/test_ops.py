"""Completeness by hour and the audit."""

from datetime import datetime, timedelta
from pathlib import Path

from fastapi.testclient import TestClient

from firehose_dagster.api.application import create_application
from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS
from firehose_dagster.settings import Settings
from firehose_dagster_tests.api.conftest import NEWEST, data
from firehose_dagster_tests.api.market_lake import Market, completeness_of, write_market
from firehose_dagster_tests.verification.small_lake import append


def test_completeness_is_empty_until_it_was_judged(small: TestClient) -> None:
    answer = small.get("/v1/completeness").json()
    assert (answer["data"], answer["snapshot_ids"]) == ([], {"ops_completeness": None})


def test_the_newest_look_at_an_hour_counts(market: TestClient) -> None:
    rows = data(market, "/v1/completeness", symbols="SOLUSDT")
    assert len(rows) == 24
    assert [row["seal_version"] for row in rows if row["hour"][11:13] == "07"] == [2]


def test_incomplete_hours_come_alone_and_with_their_ranges(market: TestClient) -> None:
    (row,) = data(market, "/v1/completeness", only_incomplete=True)
    assert (row["symbol"], row["hour"], row["missing"]) == ("ETHUSDT", "2026-01-05T10:00:00.000000Z", 25)
    assert row["missing_ranges"] == [[1100, 1119], [1300, 1304]]


def test_pages_of_completeness_hold_each_hour_of_each_symbol_once(market: TestClient) -> None:
    rows: list[tuple[str, str]] = []
    cursor: dict[str, str] = {}
    while True:
        answer = market.get("/v1/completeness", params={"limit": 7, **cursor}).json()
        rows += [(row["hour"], row["symbol"]) for row in answer["data"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert len(rows) == len(set(rows)) == 5 * 24
    assert [hour for hour, _ in rows] == sorted((hour for hour, _ in rows), reverse=True)


def test_hours_that_come_between_two_pages_take_none_from_the_second(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write_market(settings, Market(NEWEST, minutes=5, symbols=("BTCUSDT",)), hours=200)
    with TestClient(create_application(settings)) as client:
        first = client.get("/v1/completeness", params={"limit": 100}).json()
        later = Market(NEWEST + timedelta(hours=5), minutes=5, symbols=("BTCUSDT",))
        append(settings, OPS_COMPLETENESS, completeness_of(later, hours=5), {})
        client.app.state.lake.forget((OPS_COMPLETENESS,))  # type: ignore[attr-defined] # a FastAPI application
        second = client.get("/v1/completeness", params={"limit": 100, "cursor": first["next_cursor"]}).json()
    hours = [datetime.fromisoformat(row["hour"]) for row in first["data"] + second["data"]]
    newest_hour = NEWEST.replace(minute=0)
    assert hours == [newest_hour - timedelta(hours=ago) for ago in range(7 * 24)]


def test_the_audit_comes_newest_first_with_counts_by_rule(market: TestClient) -> None:
    rows = data(market, "/v1/audit", limit=2)
    assert [row["run_id"] for row in rows] == ["trades/399", "trades/398"]
    assert (rows[0]["rows_in"], rows[0]["dq_fail_by_rule"]) == (500, {"price_is_positive": 1})
    assert rows[0]["silver_snapshot_id"] == "7712345678901234567"
    assert data(market, "/v1/audit", kind="compaction") == []
