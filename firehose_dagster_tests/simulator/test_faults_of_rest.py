"""Faults of REST answers, as a client meets them."""

import pytest

from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster_tests.simulator.conftest import SYMBOLS, RunningExchange, Start
from firehose_dagster_tests.simulator.fault_client import fault, rest


@pytest.mark.parametrize("status", [403, 500, 503])
def test_rest_answers_with_the_status_asked_for_and_then_well_again(exchange: RunningExchange, status: int) -> None:
    fault(exchange, "rest-status", symbols=["BTCUSDT"], status=status, count=2)
    assert rest(exchange, "ETHUSDT").status == 200
    assert [rest(exchange).status for _ in range(3)] == [status, status, 200]


@pytest.mark.parametrize("status", [429, 418])
def test_a_limit_made_to_order_binds_until_its_retry_after(start_exchange: Start, status: int) -> None:
    exchange = start_exchange(
        ExchangeOptions(
            synthetic=True,
            symbols=SYMBOLS,
            port=0,
            limited_requests_tolerated=1_000_000,
            requests_in_flight_seconds=0,
            weight_per_minute=10**9,
        )
    )
    fault(exchange, "rest-status", status=status, retry_after_seconds=2)
    answer = rest(exchange)
    assert (answer.status, answer.headers["Retry-After"], answer.body["code"]) == (status, "2", -1003)
    asked = 0
    while rest(exchange).status == status:
        asked += 1
    assert asked > 0
    assert exchange.status()["violations"]["asked_while_limited"] == asked


def test_a_slow_and_empty_page_is_followed_by_a_full_one(exchange: RunningExchange) -> None:
    fault(exchange, "rest-slow", symbols=["BTCUSDT"], delay_seconds=0.2)
    fault(exchange, "rest-empty", symbols=["BTCUSDT"])
    assert rest(exchange).body == []
    assert len(rest(exchange).body) == 5
    assert exchange.status()["faults"]["rest"] == []
