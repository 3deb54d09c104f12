"""Asks an exchange for faults, and reads what a client then meets."""

import json
from typing import Any

import websocket

from firehose_dagster_tests.simulator.conftest import Answer, RunningExchange

CLOSE, PING = websocket.ABNF.OPCODE_CLOSE, websocket.ABNF.OPCODE_PING


def fault(exchange: RunningExchange, kind: str, **fields: object) -> dict[str, Any]:
    answer = exchange.post("/admin/fault", body=json.dumps({"kind": kind, **fields}))
    assert answer.status == 200, answer.body
    outcome: dict[str, Any] = answer.body
    return outcome


def next_data(client: websocket.WebSocket) -> bytes:
    """The next text frame, pings passed over and answered."""
    opcode, data = client.recv_data()
    assert opcode != CLOSE, data
    return bytes(data)


def until_closed(client: websocket.WebSocket) -> bytes:
    """The closing frame's payload. Pings before it are not answered: the exchange may be gone already."""
    while True:
        frame = client.recv_frame()  # type: ignore[no-untyped-call]  # the library has no types here
        if frame.opcode == CLOSE:
            return bytes(frame.data)


def receive_for_ever(client: websocket.WebSocket) -> None:
    while True:
        client.recv_data(control_frame=True)


def rest(exchange: RunningExchange, symbol: str = "BTCUSDT") -> Answer:
    return exchange.get(f"/api/v3/aggTrades?symbol={symbol}&limit=5")
