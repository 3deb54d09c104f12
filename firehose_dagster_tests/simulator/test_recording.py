import gzip
import json
import re
from pathlib import Path

import pytest

from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.simulator.recording import read_recordings
from firehose_dagster.simulator.source import SourceFileError
from firehose_dagster_tests.simulator.conftest import Start
from firehose_dagster_tests.simulator.markets import BASE_MS, trade_of

AGG = (
    f'{{"e":"aggTrade","E":{BASE_MS + 5},"s":"BTCUSDT","a":1,"p":"1.5","q":"2",'
    f'"f":1,"l":1,"T":{BASE_MS},"m":true,"M":true}}'
)


def test_all_recorded_agg_trade_frames_reach_the_client_byte_for_byte_in_their_order(
    start_exchange: Start, recordings: Path
) -> None:
    paths = tuple(sorted((recordings / "spot_ws").glob("BINANCE*")))
    expected: list[tuple[float, str]] = []
    for path in paths:
        for line in path.read_text().splitlines():
            match = re.match(r'([\d.]+): (\{"stream":"[a-z0-9]+@aggTrade".*)', line)
            if match:
                expected.append((float(match[1]), match[2]))
    expected.sort(key=lambda item: item[0])
    assert len(expected) == 3_204
    exchange = start_exchange(ExchangeOptions(recordings=paths, speed=0, port=0))
    symbols = [listed["symbol"] for listed in exchange.get("/api/v3/exchangeInfo").body["symbols"]]
    streams = "/".join(f"{symbol.lower()}@aggTrade" for symbol in symbols)
    client = exchange.connect("/stream")
    client.send(json.dumps({"method": "SUBSCRIBE", "params": streams.split("/"), "id": 1}))
    received = [client.recv() for _ in range(3_205)]
    received.remove('{"result":null,"id":1}')
    assert received == [text for _, text in expected]
    assert exchange.status()["finished"] is True


def test_other_recorded_streams_are_sent_to_who_subscribes_to_them(start_exchange: Start, recordings: Path) -> None:
    path = recordings / "spot_ws" / "BINANCE.ws.1.0__fbfab721"
    lines = [line.split(": ", 1)[1] for line in path.read_text().splitlines() if '"xmrbtc@bookTicker"' in line[:80]]
    client = start_exchange(ExchangeOptions(recordings=(path,), speed=0, port=0)).connect(
        "/stream?streams=xmrbtc@bookTicker"
    )
    assert [client.recv() for _ in lines] == lines
    assert len(lines) > 10


def test_a_recording_without_a_usable_frame_is_named(recordings: Path, tmp_path: Path) -> None:
    for path in (recordings / "exchange_info" / "BINANCE.0__bb9b80bd", tmp_path / "absent"):
        with pytest.raises(SourceFileError, match=re.escape(str(path))):
            read_recordings([path])


def test_frames_are_read_wrapped_or_bare_packed_or_not(tmp_path: Path) -> None:
    plain, packed = tmp_path / "plain.jsonl", tmp_path / "packed.jsonl.gz"
    plain.write_text(AGG + "\n")
    packed.write_bytes(gzip.compress(f'noise\n{{"stream":"btcusdt@aggTrade","data":{AGG}}}\n[1]\n{{"a":1}}\n'.encode()))
    for path in (plain, packed):
        events, symbols = read_recordings([path])
        assert symbols == ["BTCUSDT"]
        (event,) = events["btcusdt@aggTrade"]
        assert (event.text, event.due_us, trade_of(event).time_us) == (AGG, (BASE_MS + 5) * 1_000, BASE_MS * 1_000)


def test_a_recorded_frame_with_wrong_content_is_sent_as_it_is(start_exchange: Start, tmp_path: Path) -> None:
    wrong = '{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT","a":"x","p":null}}'
    path = tmp_path / "wrong.jsonl"
    path.write_text(f"1700000000.5: {wrong}\n")
    exchange = start_exchange(ExchangeOptions(recordings=(path,), speed=0, port=0))
    assert exchange.connect("/stream?streams=btcusdt@aggTrade").recv() == wrong
    assert exchange.get("/api/v3/aggTrades?symbol=BTCUSDT").body == []


def test_recorded_milliseconds_become_microseconds_for_who_asks(start_exchange: Start, tmp_path: Path) -> None:
    path = tmp_path / "plain.jsonl"
    path.write_text(AGG + "\n")
    client = start_exchange(ExchangeOptions(recordings=(path,), speed=0, port=0)).connect(
        "/ws/btcusdt@aggTrade?timeUnit=MICROSECOND"
    )
    expected = AGG.replace(str(BASE_MS + 5), str((BASE_MS + 5) * 1_000)).replace(f'"T":{BASE_MS}', f'"T":{BASE_MS}000')
    assert client.recv() == expected
