"""The exchange's rules, broken on purpose: each is punished and counted, and a client that keeps them is not."""

import json

import pytest
import websocket

from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster_tests.simulator.conftest import RunningExchange, Start, receive_json


def start(start_exchange: Start, **options: float) -> RunningExchange:
    return start_exchange(ExchangeOptions(synthetic=True, port=0, history_minutes=0, **options))  # type: ignore[arg-type]  # whole numbers among them


def until_closed(client: websocket.WebSocket) -> None:
    while client.recv_data()[0] != websocket.ABNF.OPCODE_CLOSE:
        pass


def test_more_than_5_messages_a_second_count_and_pongs_are_messages(start_exchange: Start) -> None:
    exchange = start(start_exchange)
    client = exchange.connect("/ws")
    # In one write, for they must arrive within a second.
    messages = [
        websocket.ABNF.create_frame(data, opcode)
        for number in range(3)
        for data, opcode in (
            (json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}), websocket.ABNF.OPCODE_TEXT),
            (b"unasked", websocket.ABNF.OPCODE_PONG),
        )
    ]
    assert client.sock is not None
    client.sock.sendall(b"".join(message.format() for message in messages))
    until_closed(client)
    assert exchange.status()["violations"]["client_messages"] == 1


def test_a_ping_that_is_not_answered_counts(start_exchange: Start) -> None:
    exchange = start(start_exchange, ping_interval_seconds=0.2, pong_timeout_seconds=0.3)
    client = exchange.connect("/ws")
    while client.recv_frame().opcode != websocket.ABNF.OPCODE_CLOSE:  # type: ignore[no-untyped-call]  # no types here
        pass
    assert exchange.status()["violations"]["pong_timeouts"] == 1


def test_handshakes_beyond_the_limit_are_refused_and_counted(start_exchange: Start) -> None:
    exchange = start(start_exchange, connection_attempts_per_5_minutes=2)
    exchange.connect("/ws")
    exchange.connect("/ws")
    with pytest.raises(websocket.WebSocketBadStatusException, match="429") as refused:
        exchange.connect("/ws")
    assert refused.value.resp_headers is not None
    assert 1 <= int(refused.value.resp_headers["retry-after"]) <= 300
    status = exchange.status()
    assert (status["connection_attempts"], status["violations"]["connection_attempts"]) == (3, 1)


def test_going_on_after_a_429_ends_in_a_ban(start_exchange: Start) -> None:
    exchange = start(start_exchange, limited_requests_tolerated=2, ban_seconds=600, requests_in_flight_seconds=0)
    exchange.post("/admin/fault", body='{"kind":"rest-status","status":429,"retry_after_seconds":300}')
    assert [exchange.get("/api/v3/time").status for _ in range(4)] == [429, 429, 429, 418]
    banned = exchange.get("/api/v3/time")
    assert banned.status == 418
    assert 590 <= int(banned.headers["Retry-After"]) <= 600
    assert exchange.status()["violations"] == {
        "client_messages": 0,
        "pong_timeouts": 0,
        "connection_attempts": 0,
        "weight_exceeded": 0,
        "asked_while_limited": 4,
        "bans": 1,
    }


def test_who_keeps_the_rules_leaves_all_counts_at_0(start_exchange: Start) -> None:
    exchange = start(start_exchange, ping_interval_seconds=0.3, pong_timeout_seconds=0.6, rate=1_000.0)
    exchange.get("/api/v3/aggTrades?symbol=BTCUSDT")
    client = exchange.connect("/ws/btcusdt@aggTrade")
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":1}')
    receive_json(client, 200)
    status = exchange.status()
    assert set(status["violations"].values()) == {0}
    assert (status["rest_requests"], status["highest_weight"], status["streams_by_client"]) == (1, 4, [1])
