"""Faults of the trades that a connection brings, as a client meets them."""

import json

import websocket

from firehose_dagster.simulator.malformed_frames import MALFORMED_FRAMES
from firehose_dagster_tests.simulator.conftest import RunningExchange, receive_json
from firehose_dagster_tests.simulator.fault_client import PING, fault, next_data


def test_a_muted_symbol_is_silent_while_pings_go_on_and_others_trade(exchange: RunningExchange) -> None:
    client = exchange.connect("/stream?streams=btcusdt@aggTrade")
    other = exchange.connect("/stream?streams=ethusdt@aggTrade")
    last = receive_json(client, 1)[0]["data"]["a"]
    fault(exchange, "mute", symbols=["BTCUSDT"], seconds=600)
    pings = 0
    while pings < 3:
        opcode, frame = client.recv_data_frame(control_frame=True)
        if opcode == PING:
            pings += 1
        else:
            pings, last = 0, json.loads(frame.data)["data"]["a"]
    assert receive_json(other, 5)
    fault(exchange, "mute", symbols=["BTCUSDT"], seconds=0)
    assert json.loads(next_data(client))["data"]["a"] > last + 1


def test_delayed_trades_come_whole_and_in_order(exchange: RunningExchange) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    first = receive_json(client, 1)[0]["a"]
    fault(exchange, "delay", symbols=["BTCUSDT"], seconds=1)
    ids = [frame["a"] for frame in receive_json(client, 300)]
    assert ids == list(range(first + 1, first + 301))


def test_reordered_trades_are_all_there(exchange: RunningExchange) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    first = receive_json(client, 1)[0]["a"]
    fault(exchange, "reorder", symbols=["BTCUSDT"], count=50, within_ms=300)
    ids: list[int] = []
    while ids == sorted(ids) or max(ids) > first + len(ids):
        ids += [frame["a"] for frame in receive_json(client, 1)]
    assert sorted(ids) == list(range(first + 1, first + len(ids) + 1))


def test_doubled_trades_come_twice(exchange: RunningExchange) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    first = receive_json(client, 1)[0]["a"]
    fault(exchange, "duplicate", symbols=["BTCUSDT"], count=10)
    ids: list[int] = []
    while len(ids) - len(set(ids)) < 10:
        ids += [frame["a"] for frame in receive_json(client, 1)]
    ids += [frame["a"] for frame in receive_json(client, 20)]
    assert sorted(set(ids)) == list(range(first + 1, first + len(ids) - 10 + 1))


def test_malformed_frames_come_beside_the_trades(exchange: RunningExchange) -> None:
    wanted = list(MALFORMED_FRAMES)
    raw = websocket.WebSocket(skip_utf8_validation=True)
    raw.connect(f"ws://127.0.0.1:{exchange.port}/ws/ethusdt@aggTrade")  # type: ignore[no-untyped-call]  # no types here
    exchange.clients.append(raw)
    fault(exchange, "malformed", symbols=["ETHUSDT"], count=len(MALFORMED_FRAMES))
    while wanted:
        data = next_data(raw)
        if data == wanted[0]:
            wanted.pop(0)
    ids = [frame["a"] for frame in receive_json(raw, 20)]
    assert ids == list(range(ids[0], ids[0] + 20))


def test_an_oversized_frame_comes_whole(exchange: RunningExchange) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    fault(exchange, "oversized", size_bytes=3_000_000)
    while len(data := next_data(client)) != 3_000_000:
        assert len(data) < 1_000
    assert receive_json(client, 1)[0]["e"] == "aggTrade"


def test_a_hole_is_told_by_the_oracle_alone(exchange: RunningExchange) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    first = receive_json(client, 1)[0]["a"]
    hole_first, hole_last = fault(exchange, "hole", symbols=["BTCUSDT"], count=7)["holes"]["BTCUSDT"]
    assert hole_last == hole_first + 6
    ids = [first]
    while ids[-1] <= hole_last + 5:
        ids += [frame["a"] for frame in receive_json(client, 1)]
    expected = [each for each in range(first, ids[-1] + 1) if not hole_first <= each <= hole_last]
    assert ids == expected
    page = exchange.get(f"/api/v3/aggTrades?symbol=BTCUSDT&fromId={hole_first - 1}&limit=2").body
    assert [trade["a"] for trade in page] == [hole_first - 1, hole_last + 1]
    oracle = exchange.get("/admin/oracle?symbols=BTCUSDT").body["BTCUSDT"]
    assert oracle["holes"] == [[hole_first, hole_last]]
    assert oracle["first_sent_id"] == first
    assert oracle["last_id"] >= ids[-1]
    held = exchange.get(f"/admin/trades?symbol=BTCUSDT&fromId={first}&limit={len(ids)}").body
    assert [trade["a"] for trade in held] == ids
