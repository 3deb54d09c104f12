"""Faults of connections, as a client meets them."""

import json

import pytest
import websocket

from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster_tests.simulator.conftest import RunningExchange, Start, receive_json
from firehose_dagster_tests.simulator.fault_client import fault, next_data, receive_for_ever, until_closed


def test_a_close_has_its_code_and_hits_only_who_has_the_symbol(exchange: RunningExchange) -> None:
    # Ten, because aiohttp would put its own code in first now and then.
    bitcoin = [exchange.connect("/ws/btcusdt@aggTrade") for _ in range(10)]
    ether = exchange.connect("/stream?streams=ethusdt@aggTrade")
    assert fault(exchange, "close", symbols=["BTCUSDT"], code=1011) == {"connections": 10}
    assert [until_closed(client) for client in bitcoin] == [(1011).to_bytes(2, "big")] * 10
    assert receive_json(ether, 3)


def test_an_abort_ends_the_connection_without_a_closing_frame(exchange: RunningExchange) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    assert fault(exchange, "abort") == {"connections": 1}
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        until_closed(client)


def test_a_frozen_connection_is_silent_even_of_pings_stands_and_is_dropped_in_the_end(
    exchange: RunningExchange,
) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    receive_json(client, 1)
    fault(exchange, "freeze", symbols=["BTCUSDT"], seconds=6)
    client.settimeout(0.8)
    client.send_close(1000)
    # What was on its way comes yet; then nothing, though trades, pings and the answer to the close are due.
    with pytest.raises(websocket.WebSocketTimeoutException):
        receive_for_ever(client)
    client.settimeout(20)
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        client.recv_data(control_frame=True)


@pytest.mark.parametrize(
    ("path", "form", "combined"),
    [
        ("/ws/btcusdt@aggTrade", "own", False),
        ("/stream?streams=btcusdt@aggTrade", "own", True),
        ("/stream?streams=btcusdt@aggTrade", "raw", False),
        ("/ws/btcusdt@aggTrade", "combined", True),
    ],
)
def test_a_server_shutdown_is_announced_in_its_form_and_then_comes(
    exchange: RunningExchange, path: str, form: str, combined: bool
) -> None:
    client = exchange.connect(path)
    fault(exchange, "server-shutdown", form=form, grace_seconds=0.5)
    while b"serverShutdown" not in (data := next_data(client)):
        pass
    frame = json.loads(data)
    if combined:
        assert frame.pop("stream") == "!serverShutdown"
        frame = frame.pop("data")
    assert frame.pop("e") == "serverShutdown"
    assert frame.keys() == {"E"}
    assert until_closed(client)[:2] == (1001).to_bytes(2, "big")


def test_a_connection_is_closed_at_the_age_that_the_options_or_a_fault_set(
    start_exchange: Start, exchange: RunningExchange
) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    assert fault(exchange, "age-limit", seconds=0.3) == {"connections": 1}
    assert until_closed(client)[:2] == (1001).to_bytes(2, "big")
    young = start_exchange(ExchangeOptions(synthetic=True, port=0, history_minutes=0, connection_max_age_seconds=0.5))
    assert until_closed(young.connect("/ws/btcusdt@aggTrade"))[:2] == (1001).to_bytes(2, "big")
