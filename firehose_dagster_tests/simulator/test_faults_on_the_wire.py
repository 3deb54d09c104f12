"""Each fault as a client meets it."""

import json
from typing import Any

import pytest
import websocket

from firehose_dagster.simulator.fault_kinds import AnyFault
from firehose_dagster.simulator.malformed_frames import MALFORMED_FRAMES
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster_tests.simulator.conftest import Answer, RunningExchange, Start, receive_json

SYMBOLS = ("BTCUSDT", "ETHUSDT")
CLOSE, PING = websocket.ABNF.OPCODE_CLOSE, websocket.ABNF.OPCODE_PING


@pytest.fixture
def exchange(start_exchange: Start) -> RunningExchange:
    options = ExchangeOptions(
        synthetic=True, symbols=SYMBOLS, rate=400, history_minutes=0, port=0, ping_interval_seconds=0.2
    )
    return start_exchange(options)


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
    fault(exchange, "freeze", symbols=["BTCUSDT"], seconds=2)
    client.settimeout(0.8)
    client.send_close(1000)
    # What was on its way comes yet; then nothing, though trades, pings and the answer to the close are due.
    with pytest.raises(websocket.WebSocketTimeoutException):
        receive_for_ever(client)
    client.settimeout(20)
    with pytest.raises((websocket.WebSocketConnectionClosedException, ConnectionError)):
        client.recv_data(control_frame=True)


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
    fault(exchange, "rest-status", status=status, retry_after_seconds=1)
    answer = rest(exchange)
    assert (answer.status, answer.headers["Retry-After"], answer.body["code"]) == (status, "1", -1003)
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


def test_calm_disarms_what_is_still_to_come(exchange: RunningExchange) -> None:
    receive_json(exchange.connect("/ws/btcusdt@aggTrade"), 1)
    for kind in ("skip", "reorder", "duplicate"):
        fault(exchange, kind, symbols=["BTCUSDT"], count=1_000)
    fault(exchange, "rest-empty", count=100)
    fault(exchange, "rest-empty", symbols=["ETHUSDT"], count=100)
    fault(exchange, "mute", seconds=600)
    exchange.post("/admin/calm?symbols=BTCUSDT")
    assert rest(exchange).body != []
    assert rest(exchange, "ETHUSDT").body == []
    while exchange.status()["faults"]["trades_held_back"]:
        pass
    ids = [frame["a"] for frame in receive_json(exchange.connect("/ws/btcusdt@aggTrade"), 50)]
    assert ids == list(range(ids[0], ids[0] + 50))
    exchange.post("/admin/calm")
    assert rest(exchange, "ETHUSDT").body != []
    assert exchange.status()["faults"]["muted_seconds"] == {}


def test_what_is_no_fault_is_refused_with_its_reason(exchange: RunningExchange) -> None:
    for body, reason in (
        ("", "truncated"),
        ('{"kind":"eat"}', "eat"),
        ('{"kind":"skip"}', "count"),
        ('{"kind":"skip","count":0}', "count"),
        ('{"kind":"skip","count":1,"symbol":"BTCUSDT"}', "symbol"),
        ('{"kind":"abort","symbols":["NOPE"]}', "NOPE"),
    ):
        answer = exchange.post("/admin/fault", body=body)
        assert (answer.status, reason in answer.body) == (400, True), answer


def test_every_kind_is_accepted_without_symbols_while_nobody_is_connected(exchange: RunningExchange) -> None:
    needed = {"mute": {"seconds": 1}, "delay": {"seconds": 1}, "age-limit": {"seconds": 1}}
    needed |= {kind: {"count": 1} for kind in ("skip", "duplicate", "reorder", "hole")}
    needed |= {"rest-status": {"status": 500}, "rest-slow": {"delay_seconds": 0}}
    for kind in (each.__struct_config__.tag for each in AnyFault.__args__):
        fault(exchange, kind, **needed.get(kind, {}))


def test_a_script_is_played_to_its_end_and_tells_what_happened(exchange: RunningExchange) -> None:
    client = exchange.connect("/ws/btcusdt@aggTrade")
    script = [
        {"at_seconds": 0.1, "fault": {"kind": "hole", "symbols": ["BTCUSDT"], "count": 2}},
        {"at_seconds": 0.0, "fault": {"kind": "skip", "symbols": ["BTCUSDT"], "count": 1}},
        {"at_seconds": 0.2, "fault": {"kind": "close", "symbols": ["BTCUSDT"], "code": 1001}},
    ]
    assert exchange.post("/admin/scripts", body=json.dumps(script)).body["number"] == 0
    until_closed(client)
    while not (played := exchange.get("/admin/scripts").body[0])["finished"]:
        pass
    assert [each["fault"]["kind"] for each in played["happened"]] == ["skip", "hole", "close"]
    assert played["happened"][1]["outcome"]["holes"]["BTCUSDT"]
    assert played["happened"][2]["outcome"] == {"connections": 1}


def test_a_seed_names_a_script_and_a_wrong_symbol_none(exchange: RunningExchange) -> None:
    one = exchange.post("/admin/scripts?seed=5&symbols=BTCUSDT,ETHUSDT&seconds=20").body
    two = exchange.post("/admin/scripts?seed=5&symbols=BTCUSDT,ETHUSDT&seconds=20").body
    assert one["script"] == two["script"]
    assert (one["number"], two["number"]) == (0, 1)
    assert exchange.post("/admin/scripts?seed=5&symbols=NOPE").status == 400
    assert exchange.post("/admin/scripts?seed=5").status == 400
    assert len(exchange.get("/admin/scripts").body) == 2
