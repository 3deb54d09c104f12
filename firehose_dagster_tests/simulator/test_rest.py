from pathlib import Path

import pytest

from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster_tests.simulator.conftest import RunningExchange, Start, receive_json
from firehose_dagster_tests.simulator.markets import BASE_MS, write_archive

COUNT = 2_500


@pytest.fixture
def exchange(start_exchange: Start, tmp_path: Path) -> RunningExchange:
    """Ids 100 to 2599, 10 ms apart, all of them due."""
    exchange = start_exchange(ExchangeOptions(archives=(write_archive(tmp_path, COUNT),), speed=0, port=0))
    receive_json(exchange.connect("/ws/btcusdt@aggTrade"), COUNT)
    return exchange


def ids(exchange: RunningExchange, query: str) -> list[int]:
    answer = exchange.get(f"/api/v3/aggTrades?symbol=BTCUSDT{query}")
    assert answer.status == 200
    return [trade["a"] for trade in answer.body]


def test_an_agg_trade_has_the_fields_of_the_real_one_and_no_symbol(exchange: RunningExchange) -> None:
    (trade,) = exchange.get("/api/v3/aggTrades?symbol=BTCUSDT&fromId=100&limit=1").body
    assert trade == {
        "a": 100,
        "p": "100.50000000",
        "q": "0.10000000",
        "f": 200,
        "l": 201,
        "T": BASE_MS,
        "m": True,
        "M": True,
    }


def test_the_time_unit_header_makes_times_microseconds(exchange: RunningExchange) -> None:
    (trade,) = exchange.get(
        "/api/v3/aggTrades?symbol=BTCUSDT&fromId=101&limit=1", headers={"X-MBX-TIME-UNIT": "MICROSECOND"}
    ).body
    assert trade["T"] == (BASE_MS + 10) * 1_000


def test_from_id_is_inclusive_and_pages_reach_every_trade(exchange: RunningExchange) -> None:
    seen: list[int] = []
    next_id = 0
    while page := ids(exchange, f"&fromId={next_id}&limit=1000"):
        seen += page
        next_id = page[-1] + 1
    assert seen == list(range(100, 100 + COUNT))


def test_without_a_range_the_most_recent_come_oldest_first(exchange: RunningExchange) -> None:
    assert ids(exchange, "") == list(range(2_100, 2_600))
    assert ids(exchange, "&limit=2") == [2_598, 2_599]


def test_a_limit_above_1000_counts_as_1000(exchange: RunningExchange) -> None:
    assert len(ids(exchange, "&fromId=0&limit=5000")) == 1_000


@pytest.mark.parametrize("factor", [1, 1_000])
def test_start_and_end_time_are_inclusive_in_either_unit(exchange: RunningExchange, factor: int) -> None:
    start, end = (BASE_MS + 10) * factor, (BASE_MS + 30) * factor
    assert ids(exchange, f"&startTime={start}&endTime={end}") == [101, 102, 103]
    assert ids(exchange, f"&startTime={start}&limit=2") == [101, 102]
    assert ids(exchange, f"&endTime={end}&limit=2") == [102, 103]


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("/api/v3/aggTrades", -1102),
        ("/api/v3/aggTrades?symbol=NOPE", -1121),
        ("/api/v3/aggTrades?symbol=BTCUSDT&fromId=1&startTime=5", -1128),
        ("/api/v3/aggTrades?symbol=BTCUSDT&fromId=-1", -1100),
        ("/api/v3/aggTrades?symbol=BTCUSDT&limit=0", -1130),
        ("/api/v3/exchangeInfo?symbol=NOPE", -1121),
        ("/api/v3/exchangeInfo?symbols=BTCUSDT", -1100),
    ],
)
def test_a_wrong_request_is_answered_400_with_the_exchanges_code(
    exchange: RunningExchange, path: str, code: int
) -> None:
    answer = exchange.get(path)
    assert (answer.status, answer.body["code"]) == (400, code)
    assert answer.body["msg"]


def test_exchange_info_lists_what_trades(exchange: RunningExchange) -> None:
    for query in ("", "?symbol=BTCUSDT", "?symbols=%5B%22BTCUSDT%22%5D"):
        (listed,) = exchange.get(f"/api/v3/exchangeInfo{query}").body["symbols"]
        assert {key: listed[key] for key in ("symbol", "status", "baseAsset", "quoteAsset")} == {
            "symbol": "BTCUSDT",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USDT",
        }


def test_time_is_told_in_the_unit_asked_for(exchange: RunningExchange) -> None:
    assert len(str(exchange.get("/api/v3/time").body["serverTime"])) == 13
    microseconds = exchange.get("/api/v3/time", headers={"X-MBX-TIME-UNIT": "MICROSECOND"}).body["serverTime"]
    assert len(str(microseconds)) == 16
    assert exchange.get("/api/v3/ping").body == {}


def test_what_is_not_due_yet_is_not_served(start_exchange: Start, tmp_path: Path) -> None:
    an_hour_apart = write_archive(tmp_path, 3, gap_ms=3_600_000)
    exchange = start_exchange(ExchangeOptions(archives=(an_hour_apart,), port=0))
    assert ids(exchange, "&fromId=0") == []
    receive_json(exchange.connect("/ws/btcusdt@aggTrade"), 1)
    assert ids(exchange, "&fromId=0") == [100]


def test_weights_add_up_and_an_empty_budget_is_answered_429(start_exchange: Start, tmp_path: Path) -> None:
    exchange = start_exchange(
        ExchangeOptions(archives=(write_archive(tmp_path, 3),), speed=0, port=0, weight_per_minute=30)
    )
    # A minute may end between two requests: ask until the counter was seen to grow by each weight.
    for path, weight in (("aggTrades?symbol=BTCUSDT", 4), ("exchangeInfo", 20), ("ping", 1), ("time", 1)):
        grown: set[int] = set()
        while weight not in grown:
            before = int(exchange.get("/api/v3/ping").headers["X-MBX-USED-WEIGHT-1M"])
            grown.add(int(exchange.get(f"/api/v3/{path}").headers["X-MBX-USED-WEIGHT-1M"]) - before)
    answer = exchange.get("/api/v3/exchangeInfo")
    while answer.status == 200:
        answer = exchange.get("/api/v3/exchangeInfo")
    assert (answer.status, answer.body["code"]) == (429, -1003)
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
