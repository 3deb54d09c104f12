"""The newest minutes, a symbol's minutes, the pulse: figures by hand on the small lake.

ALPHA trades (100 + (minute + n) % 3) for quantities 1, 2, 3; in minute 35 (10:15) for 20, 40, 60. BETA trades 0.500 for
1 and 0.501 for 2; in minute 37 (10:17) the second at 0.601.
"""

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from firehose_dagster.api.application import create_application
from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.settings import Settings
from firehose_dagster_tests.api.conftest import NEWEST, data
from firehose_dagster_tests.api.market_lake import Market, write_market
from firehose_dagster_tests.verification.small_lake import append


def test_latest_gives_each_symbols_newest_minute_with_decimals_as_text(small: TestClient) -> None:
    alpha, beta = data(small, "/v1/gold/latest")
    # Minute 39: 100 + 39 % 3 = 100, then 101, 102 for 1, 2, 3: 100 + 202 + 306 = 608, / 6 = 101.333...
    told = {name: alpha[name] for name in ("symbol", "minute", "open", "close", "volume", "quote_volume", "vwap")}
    assert told == {
        "symbol": "ALPHA",
        "minute": "2026-01-01T10:19:00.000000Z",
        "open": "100.00000000",
        "close": "102.00000000",
        "volume": "6.00000000",
        "quote_volume": "608.0000000000000000",
        "vwap": "101.33333333",
    }
    # The third of minute 39 is trade 1000 + 39 * 3 + 2.
    assert (alpha["trades"], alpha["last_agg_id"], alpha["is_complete"], alpha["is_final"]) == (3, 1119, True, False)
    assert (beta["symbol"], beta["close"], beta["return_1m"]) == ("BETA", "0.50100000", "0.00000000")


def test_a_symbol_that_is_not_held_gives_no_row(small: TestClient) -> None:
    assert [row["symbol"] for row in data(small, "/v1/gold/latest", symbols="BETA,GAMMA")] == ["BETA"]
    assert data(small, "/v1/minutes", symbol="GAMMA") == []


def test_snapshot_ids_are_text_because_they_do_not_fit_a_double(small: TestClient) -> None:
    answer = small.get("/v1/gold/latest").json()
    ids = [answer["snapshot_ids"]["crypto_gold_minute"], answer["data"][0]["silver_snapshot_id"]]
    assert all(isinstance(each, str) and int(each) > 0 for each in ids)


def test_minutes_are_those_from_start_up_to_before_end(small: TestClient) -> None:
    rows = data(small, "/v1/minutes", symbol="ALPHA", start="2026-01-01T10:14:00Z", end="2026-01-01T12:17:00+02:00")
    assert [(row["minute"][11:16], row["volume"]) for row in rows] == [
        ("10:14", "6.00000000"),
        ("10:15", "120.00000000"),
        ("10:16", "6.00000000"),
    ]


def test_without_times_minutes_are_the_last_day(market: TestClient) -> None:
    rows = data(market, "/v1/minutes", symbol="BTCUSDT")
    assert len(rows) == 24 * 60
    assert (rows[0]["minute"], rows[-1]["minute"]) == ("2026-01-04T12:31:00.000000Z", "2026-01-05T12:30:00.000000Z")


def test_with_an_end_alone_minutes_are_the_day_before_it(market: TestClient) -> None:
    rows = data(market, "/v1/minutes", symbol="BTCUSDT", end="2026-01-05T12:00:00Z")
    assert (len(rows), rows[0]["minute"]) == (24 * 60, "2026-01-04T12:00:00.000000Z")


@pytest.mark.parametrize("order", ["asc", "desc"])
def test_pages_hold_each_minute_once(market: TestClient, order: str) -> None:
    rows: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        answer = market.get("/v1/minutes", params={"symbol": "XRPUSDT", "order": order, "limit": 499, **cursor}).json()
        rows += answer["data"]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    times = [datetime.fromisoformat(row["minute"]) for row in rows]
    # A day without every seventh minute: of the 1440 minutes ago = 0 to 1439 those with ago % 7 == 3 are 206.
    assert len(times) == 1440 - 206
    assert times == sorted(set(times), reverse=order == "desc")


def test_minutes_that_come_between_two_pages_take_none_from_the_second(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write_market(settings, Market(NEWEST, minutes=26 * 60, symbols=("BTCUSDT",)))
    asked = {"symbol": "BTCUSDT", "order": "desc", "limit": "1000"}
    with TestClient(create_application(settings)) as client:
        first = client.get("/v1/minutes", params=asked).json()
        append(settings, GOLD, Market(NEWEST + timedelta(hours=3), minutes=60, symbols=("BTCUSDT",)).gold(), {})
        client.app.state.lake.forget((GOLD,))  # type: ignore[attr-defined] # a FastAPI application
        second = client.get("/v1/minutes", params={**asked, "cursor": first["next_cursor"]}).json()
    times = [datetime.fromisoformat(row["minute"]) for row in first["data"] + second["data"]]
    assert times == [NEWEST - timedelta(minutes=ago) for ago in range(24 * 60)]
    assert second["next_cursor"] is None


def test_the_pulse_adds_up_the_window(small: TestClient) -> None:
    answer = small.get("/v1/pulse", params={"window_minutes": 5}).json()
    assert answer["window"] == {
        "start": "2026-01-01T10:15:00.000000Z",
        "end": "2026-01-01T10:20:00.000000Z",
        "minutes": 5,
    }
    alpha, beta = answer["data"]
    # Minutes 35 to 39 open at 102, 100, 101, 102, 100. Quote volumes: 35 is 20 * (102 + 2 * 100 + 3 * 101) = 12100,
    # then 100 + 202 + 306 = 608, 101 + 204 + 300 = 605, 102 + 200 + 303 = 605 and 608: 14526 for 144.
    assert (alpha["open"], alpha["price"], alpha["high"], alpha["low"]) == (
        *("102.00000000", "102.00000000", "102.00000000", "100.00000000"),
    )
    assert (alpha["volume"], alpha["quote_volume"]) == ("144.00000000", "14526.0000000000000000")
    assert (alpha["vwap"], alpha["delta_pct"]) == ("100.87500000", "0.0000")
    assert (alpha["trades"], alpha["minutes"], alpha["is_complete"]) == (15, 5, True)
    assert (alpha["spike_status"], alpha["price_spikes"], alpha["volume_spikes"]) == ("volume", 0, 1)
    # 0.501 against 0.5: 0.2 %.
    assert (beta["delta_pct"], beta["spike_status"], beta["price_spikes"]) == ("0.2000", "price", 2)
    assert (beta["last_spike"]["kind"], beta["last_spike"]["minute"]) == ("price", "2026-01-01T10:18:00.000000Z")


def test_a_pulse_of_old_gold_says_that_it_is_not_fresh_and_so_not_complete(small: TestClient) -> None:
    answer = small.get("/v1/pulse", params={"window_minutes": 5}).json()
    assert (answer["is_fresh"], answer["is_complete"], answer["incomplete_symbols"]) == (False, False, [])
    assert answer["age_seconds"] > 86_400


def test_a_minute_with_missing_trades_makes_its_symbol_incomplete(market: TestClient) -> None:
    answer = market.get("/v1/pulse").json()
    assert answer["incomplete_symbols"] == ["ETHUSDT"]
    assert {entry["symbol"]: entry["incomplete_minutes"] for entry in answer["data"]}["ETHUSDT"] == 1
    assert market.get("/v1/pulse", params={"window_minutes": 40}).json()["incomplete_symbols"] == []
