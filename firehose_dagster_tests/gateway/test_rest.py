"""What REST answers, good and bad."""

import threading
from collections.abc import Callable
from functools import partial

import httpx
import pytest

from firehose_dagster.binance.request_weight import WeightBudget
from firehose_dagster.gateway.rest import ExchangeRefusedError, ExchangeRest, ExchangeUnavailableError


def _always(answer: httpx.Response, _: httpx.Request) -> httpx.Response:
    return answer


ROW = {"a": 9, "p": "0.1", "q": "1.0", "f": 1, "l": 2, "T": 1_634_944_096_633, "m": False, "M": True, "new": 1}


def _client(answer: Callable[[httpx.Request], httpx.Response], per_minute: int = 100) -> ExchangeRest:
    """At a time that stands still, half a minute before a minute ends."""
    return ExchangeRest(
        "https://exchange.test",
        WeightBudget(per_minute),
        threading.Event(),
        transport=httpx.MockTransport(answer),
        epoch_seconds=lambda: 30.0,
        steady_seconds=lambda: 30.0,
    )


def test_a_page_is_read_ascending_with_microseconds() -> None:
    with _client(lambda _: httpx.Response(200, json=[ROW, {**ROW, "a": 8, "T": 1_634_944_096_633_123}])) as client:
        first, second = client.agg_trades("BTCUSDT", 8)
    assert (first.agg_id, first.trade_time) == (8, 1_634_944_096_633_123)
    assert (second.agg_id, second.trade_time) == (9, 1_634_944_096_633_000)


def test_a_page_is_asked_for_by_id_with_the_largest_limit() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=[], headers={"X-MBX-USED-WEIGHT-1M": "50"})

    with _client(answer) as client:
        assert client.agg_trades("BTCUSDT", 8) == []
        assert client.highest_weight_used == 50
    assert str(requests[0].url) == "https://exchange.test/api/v3/aggTrades?symbol=BTCUSDT&fromId=8&limit=1000"
    assert requests[0].headers["X-MBX-TIME-UNIT"] == "MICROSECOND"


@pytest.mark.parametrize(
    ("status", "headers", "seconds"),
    [
        (429, {"Retry-After": "7"}, 7.0),
        (418, {"Retry-After": "7"}, 7.0),
        (429, {}, 60.0),
        (418, {}, 120.0),
        (403, {}, 300.0),
    ],
)
def test_a_rate_limit_says_when_to_come_back(status: int, headers: dict[str, str], seconds: float) -> None:
    with (
        _client(lambda _: httpx.Response(status, headers=headers)) as client,
        pytest.raises(ExchangeUnavailableError, match=str(status)) as raised,
    ):
        client.agg_trades("BTCUSDT", 1)
    assert raised.value.retry_after_seconds == seconds


def test_a_page_of_a_firewall_is_told_in_one_line() -> None:
    page = httpx.Response(502, text="<html>\n  <h1>Bad\tGateway</h1>\n" + "<p>x</p>\n" * 100)
    with _client(partial(_always, page)) as client, pytest.raises(ExchangeUnavailableError) as raised:
        client.agg_trades("BTCUSDT", 1)
    assert str(raised.value).startswith(
        "https://exchange.test/api/v3/aggTrades answered 502: <html> <h1>Bad Gateway</h1> <p>x</p> <p>x</p>"
    )
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_refused_request_is_told_from_an_exchange_in_trouble() -> None:
    body = {"code": -1121, "msg": "Invalid symbol."}
    with (
        _client(lambda _: httpx.Response(400, json=body)) as client,
        pytest.raises(ExchangeRefusedError, match="Invalid"),
    ):
        client.agg_trades("NOPE", 1)
    with _client(lambda _: httpx.Response(503)) as client, pytest.raises(ExchangeUnavailableError, match="503"):
        client.agg_trades("BTCUSDT", 1)


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'[{"a":1}]'])
def test_an_unknown_answer_is_an_exchange_in_trouble(body: bytes) -> None:
    with (
        _client(lambda _: httpx.Response(200, content=body)) as client,
        pytest.raises(ExchangeUnavailableError, match="unknown answer for BTCUSDT from id 1"),
    ):
        client.agg_trades("BTCUSDT", 1)


def test_an_exchange_that_cannot_be_reached_is_named() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    with (
        _client(answer) as client,
        pytest.raises(ExchangeUnavailableError, match=r"exchange\.test.*connection refused"),
    ):
        client.symbol_statuses()


def test_nothing_is_asked_beyond_the_budget_and_a_stop_ends_the_wait() -> None:
    requests: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        return httpx.Response(200, json=[], headers={"X-MBX-USED-WEIGHT-1M": "98"})

    halt = threading.Event()
    with ExchangeRest(
        "https://exchange.test",
        WeightBudget(100),
        halt,
        transport=httpx.MockTransport(answer),
        epoch_seconds=lambda: 30.0,
        steady_seconds=lambda: 30.0,
    ) as client:
        client.agg_trades("BTCUSDT", 1)
        halt.set()
        with pytest.raises(ExchangeUnavailableError, match="was not asked"):
            client.agg_trades("BTCUSDT", 2)
    assert len(requests) == 1


def test_the_budget_is_free_again_in_the_next_minute() -> None:
    now = [30.0]

    def answer(_: httpx.Request) -> httpx.Response:
        now[0] = 60.0  # the minute ends while the exchange answers
        return httpx.Response(200, json=[])

    with ExchangeRest(
        "https://exchange.test",
        WeightBudget(4),
        threading.Event(),
        transport=httpx.MockTransport(answer),
        epoch_seconds=lambda: now[0],
        steady_seconds=lambda: now[0],
    ) as client:
        client.agg_trades("BTCUSDT", 1)
        client.agg_trades("BTCUSDT", 2)
        assert client.calls == 2


def test_the_clock_of_the_exchange_is_read_in_either_unit_and_may_be_missing() -> None:
    bodies = [{"serverTime": 1_634_944_096_633}, {"serverTime": 1_634_944_096_633_001}]
    times: list[int | None] = []
    for body in bodies:
        answer = httpx.Response(200, json=body)
        with _client(partial(_always, answer)) as client:
            times.append(client.server_time_us())
    with _client(lambda _: httpx.Response(404, text="Not found")) as client:
        times.append(client.server_time_us())
    assert times == [1_634_944_096_633_000, 1_634_944_096_633_001, None]


def test_a_rate_limit_is_obeyed_although_the_clock_was_set_ahead_and_no_longer_although_it_was_set_back() -> None:
    clocks = {"epoch": 30.0, "steady": 500.0}
    answers = [httpx.Response(429, headers={"Retry-After": "7"}), httpx.Response(200, json=[])]
    halt = threading.Event()
    with ExchangeRest(
        "https://exchange.test",
        WeightBudget(100),
        halt,
        transport=httpx.MockTransport(lambda _: answers.pop(0)),
        epoch_seconds=lambda: clocks["epoch"],
        steady_seconds=lambda: clocks["steady"],
    ) as client:
        with pytest.raises(ExchangeUnavailableError, match="429"):
            client.agg_trades("BTCUSDT", 1)
        halt.set()
        clocks.update(epoch=3_630.0, steady=506.0)
        with pytest.raises(ExchangeUnavailableError, match="was not asked"):
            client.agg_trades("BTCUSDT", 1)
        clocks.update(epoch=-3_570.0, steady=507.0)
        assert client.agg_trades("BTCUSDT", 1) == []
