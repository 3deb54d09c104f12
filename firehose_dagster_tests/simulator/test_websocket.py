import json
from pathlib import Path

import pytest
import websocket

from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster_tests.simulator.conftest import Start, receive_json
from firehose_dagster_tests.simulator.markets import BASE_MS, write_archive

FRAME_100 = {
    "e": "aggTrade",
    "E": BASE_MS,
    "s": "BTCUSDT",
    "a": 100,
    "p": "100.50000000",
    "q": "0.10000000",
    "f": 200,
    "l": 201,
    "T": BASE_MS,
    "m": True,
    "M": True,
}


@pytest.fixture
def options(tmp_path: Path) -> ExchangeOptions:
    return ExchangeOptions(archives=(write_archive(tmp_path, 50),), speed=0, port=0)


def test_a_raw_stream_sends_bare_frames_in_milliseconds(start_exchange: Start, options: ExchangeOptions) -> None:
    client = start_exchange(options).connect("/ws/btcusdt@aggTrade")
    assert receive_json(client, 1) == [FRAME_100]


def test_a_combined_stream_wraps_its_frames(start_exchange: Start, options: ExchangeOptions) -> None:
    client = start_exchange(options).connect("/stream?streams=btcusdt@aggTrade/ethusdt@aggTrade")
    assert receive_json(client, 1) == [{"stream": "btcusdt@aggTrade", "data": FRAME_100}]


@pytest.mark.parametrize("unit", ["MICROSECOND", "microsecond"])
def test_microseconds_are_sent_to_who_asks_for_them(start_exchange: Start, options: ExchangeOptions, unit: str) -> None:
    client = start_exchange(options).connect(f"/ws/btcusdt@aggTrade?timeUnit={unit}")
    second = receive_json(client, 2)[1]
    assert (second["E"], second["T"]) == ((BASE_MS + 10) * 1_000, (BASE_MS + 10) * 1_000)


def test_an_unknown_time_unit_is_refused(start_exchange: Start, options: ExchangeOptions) -> None:
    exchange = start_exchange(options)
    with pytest.raises(websocket.WebSocketBadStatusException, match="400"):
        exchange.connect("/ws/btcusdt@aggTrade?timeUnit=NANOSECOND")


def test_subscriptions_are_made_listed_and_ended_by_request(start_exchange: Start, options: ExchangeOptions) -> None:
    client = start_exchange(options).connect("/stream")
    client.send('{"method":"SUBSCRIBE","params":["ethusdt@aggTrade","btcusdt@depth"],"id":7}')
    assert receive_json(client, 1) == [{"result": None, "id": 7}]
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":"list"}')
    assert receive_json(client, 1) == [{"result": ["ethusdt@aggTrade", "btcusdt@depth"], "id": "list"}]
    client.send('{"method":"UNSUBSCRIBE","params":["ethusdt@aggTrade"],"id":null}')
    assert receive_json(client, 1) == [{"result": None, "id": None}]
    client.send('{"method":"LIST_SUBSCRIPTIONS","id":9}')
    assert receive_json(client, 1) == [{"result": ["btcusdt@depth"], "id": 9}]


def test_trades_follow_a_subscription_and_nothing_comes_before(start_exchange: Start, options: ExchangeOptions) -> None:
    client = start_exchange(options).connect("/ws")
    client.send('{"method":"SUBSCRIBE","params":["btcusdt@aggTrade"],"id":1}')
    frames = receive_json(client, 51)
    frames.remove({"result": None, "id": 1})
    assert [frame["a"] for frame in frames] == list(range(100, 150))


@pytest.mark.parametrize(
    ("request_text", "code"),
    [
        ("nonsense", 3),
        ("[1]", 2),
        ('{"params":["btcusdt@aggTrade"],"id":1}', 2),
        ('{"method":"EAT","id":1}', 2),
        ('{"method":"SUBSCRIBE","id":1}', 2),
        ('{"method":"SUBSCRIBE","params":["btcusdt"],"id":1}', 2),
        ('{"method":"SUBSCRIBE","params":[5],"id":1}', 2),
        ('{"method":"LIST_SUBSCRIPTIONS","id":1.5}', 2),
        ('{"method":"SET_PROPERTY","params":["colour",true],"id":1}', 0),
        ('{"method":"SET_PROPERTY","params":["combined",1],"id":1}', 1),
    ],
)
def test_a_wrong_request_is_answered_with_the_exchanges_code(
    start_exchange: Start, options: ExchangeOptions, request_text: str, code: int
) -> None:
    client = start_exchange(options).connect("/ws")
    client.send(request_text)
    (answer,) = receive_json(client, 1)
    assert answer["error"]["code"] == code
    assert answer["error"]["msg"]


def test_more_than_1024_streams_are_refused_on_one_connection(start_exchange: Start, options: ExchangeOptions) -> None:
    client = start_exchange(options).connect("/ws")
    streams = [f"x{number}usdt@aggTrade" for number in range(1_025)]
    client.send(json.dumps({"method": "SUBSCRIBE", "params": streams, "id": 1}))
    assert receive_json(client, 1) == [{"error": {"code": 4, "msg": "Too many subscriptions"}, "id": 1}]
    client.send(json.dumps({"method": "SUBSCRIBE", "params": streams[:1_024], "id": 2}))
    assert receive_json(client, 1) == [{"result": None, "id": 2}]


def test_a_client_that_sends_too_many_messages_is_closed_with_1008(
    start_exchange: Start, options: ExchangeOptions
) -> None:
    client = start_exchange(options).connect("/ws")
    for number in range(20):
        client.send(json.dumps({"method": "LIST_SUBSCRIPTIONS", "id": number}))
    opcode, data = client.recv_data()
    while opcode != websocket.ABNF.OPCODE_CLOSE:
        opcode, data = client.recv_data()
    assert data == (1008).to_bytes(2, "big") + b"Too many requests"


def test_pings_carry_a_payload_and_a_client_that_answers_stays(start_exchange: Start, tmp_path: Path) -> None:
    options = ExchangeOptions(
        archives=(write_archive(tmp_path, 1),), speed=0, port=0, ping_interval_seconds=0.3, pong_timeout_seconds=0.5
    )
    client = start_exchange(options).connect("/ws/ethusdt@aggTrade")
    payloads = []
    for _ in range(5):
        opcode, frame = client.recv_data_frame(control_frame=True)  # answers pings by itself
        assert opcode == websocket.ABNF.OPCODE_PING
        payloads.append(frame.data)
    assert all(payload.isdigit() for payload in payloads)


def test_a_client_that_answers_with_another_payload_is_dropped(start_exchange: Start, tmp_path: Path) -> None:
    options = ExchangeOptions(
        archives=(write_archive(tmp_path, 1),), speed=0, port=0, ping_interval_seconds=0.3, pong_timeout_seconds=0.5
    )
    client = start_exchange(options).connect("/ws/ethusdt@aggTrade")
    while True:
        frame = client.recv_frame()  # type: ignore[no-untyped-call]  # the library has no types here
        if frame.opcode == websocket.ABNF.OPCODE_CLOSE:
            break
        client.pong(b"unsolicited")
    assert frame.data.endswith(b"Pong timeout")
