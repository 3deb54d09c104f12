"""Frames as the exchange sends them, and as it should not."""

import json
from pathlib import Path

import pytest

from firehose_dagster.binance.frames import AggTrade, OtherFrame, UnreadableFrame, decode_frame

RECORDINGS = Path(__file__).resolve().parents[3] / "shared" / "recordings"
needs_recordings = pytest.mark.skipif(
    not RECORDINGS.is_dir(), reason="no captured frames beside the checkout (../shared/recordings)"
)

TRADE = {
    "e": "aggTrade", "E": 1733464456075, "s": "BTCUSDT", "a": 3305280883, "p": "97900.88000000", "q": "0.00208000",
    "f": 4216590360, "l": 4216590361, "T": 1733464456074, "m": True, "M": True,
}  # fmt: skip
EXPECTED = AggTrade(
    symbol="BTCUSDT",
    agg_id=3305280883,
    price="97900.88000000",
    qty="0.00208000",
    first_trade_id=4216590360,
    last_trade_id=4216590361,
    trade_time=1733464456074000,
    event_time=1733464456075000,
    is_buyer_maker=True,
)


def _raw(**changes: object) -> bytes:
    return json.dumps({**TRADE, **changes}).encode()


def _combined(**changes: object) -> bytes:
    return json.dumps({"stream": "btcusdt@aggTrade", "data": {**TRADE, **changes}}).encode()


@pytest.mark.parametrize("frame", [_raw(), _combined()])
def test_a_trade_in_milliseconds_is_read_with_microseconds(frame: bytes) -> None:
    assert decode_frame(frame) == EXPECTED


@pytest.mark.parametrize("wrap", [_raw, _combined])
def test_a_trade_in_microseconds_keeps_its_times(wrap: object) -> None:
    assert callable(wrap)
    trade = decode_frame(wrap(E=1733464456075123, T=1733464456074999))
    assert isinstance(trade, AggTrade)
    assert (trade.trade_time, trade.event_time) == (1733464456074999, 1733464456075123)


def test_keys_that_futures_add_are_tolerated() -> None:
    assert decode_frame(_raw(nq="0.00208000", st=1)) == EXPECTED


def test_keys_may_come_in_any_order() -> None:
    frame = json.dumps({"data": dict(reversed(TRADE.items())), "stream": "btcusdt@aggTrade"}).encode()
    assert decode_frame(frame) == EXPECTED


def test_the_exchanges_sentinel_for_a_repaired_id_is_a_trade_like_any_other() -> None:
    trade = decode_frame(_raw(p="0", q="0", f=-1, l=-1))
    assert isinstance(trade, AggTrade)
    assert (trade.price, trade.qty, trade.first_trade_id, trade.last_trade_id) == ("0", "0", -1, -1)


@pytest.mark.parametrize("key", ["E", "s", "a", "p", "q", "f", "l", "T", "m"])
@pytest.mark.parametrize("wrap", [_raw, _combined])
def test_a_frame_without_a_field_is_refused_with_its_field(wrap: object, key: str) -> None:
    assert callable(wrap)
    document = json.loads(wrap())
    del (document.get("data") or document)[key]
    frame = decode_frame(json.dumps(document).encode())
    assert isinstance(frame, UnreadableFrame)
    assert f"`{key}`" in frame.reason


@pytest.mark.parametrize(
    ("key", "value"), [("p", 97900.88), ("a", "3305280883"), ("m", "true"), ("T", None), ("f", 1.5)]
)
def test_a_wrong_type_is_refused_with_its_field_and_keeps_the_text(key: str, value: object) -> None:
    raw = _combined(**{key: value})
    frame = decode_frame(raw)
    assert isinstance(frame, UnreadableFrame)
    assert f"$.data.{key}" in frame.reason
    assert frame.raw == raw


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"not json", b"[]", b"null", b"1", b"{", b"{}", b'{"data":{}}', b'{"stream":1,"data":{}}', b"\xff\xfe",
        b'{"stream":"btcusdt@aggTrade"}', b'{"stream":"btcusdt@aggTrade","data":{}}', b'{"stream":"a@b","data":[]}',
        b'{"e":"aggTrade","s":"\xff"}', b'{"x":' + b"[" * 5_000,
    ],
)  # fmt: skip
def test_what_is_no_frame_is_unreadable_and_kept(raw: bytes) -> None:
    frame = decode_frame(raw)
    assert isinstance(frame, UnreadableFrame)
    assert frame.raw == raw
    assert frame.reason


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b'{"result":null,"id":1}', "response"),
        (b'{"result":["btcusdt@aggTrade"],"id":"a1"}', "response"),
        (b'{"error":{"code":2,"msg":"Invalid request"},"id":1}', "error"),
        (b'{"code":2,"msg":"Invalid request"}', "error"),
        (b'{"e":"serverShutdown","E":1770123456789}', "serverShutdown"),
        (b'{"stream":"!serverShutdown","data":{"e":"serverShutdown","E":1770123456789}}', "serverShutdown"),
        (b'{"stream":"btcusdt@kline_1m","data":{"e":"kline","E":1,"s":"BTCUSDT","k":{}}}', "kline"),
        (b'{"stream":"btcusdt@bookTicker","data":{"u":1,"s":"BTCUSDT","b":"1","B":"1","a":"1","A":"1"}}', "bookTicker"),
    ],
)
def test_other_frames_are_named_by_their_kind(raw: bytes, kind: str) -> None:
    frame = decode_frame(raw)
    assert isinstance(frame, OtherFrame)
    assert frame.kind == kind


def test_an_error_keeps_what_the_exchange_said() -> None:
    assert decode_frame(b'{"code":2,"msg":"bad"}') == OtherFrame("error", '{"code":2,"msg":"bad"}')


@needs_recordings
def test_every_captured_trade_decodes_and_ids_run_without_a_gap() -> None:
    ids: dict[str, list[int]] = {}
    kinds: dict[str, int] = {}
    for path in sorted((RECORDINGS / "spot_ws").glob("BINANCE*")):
        for line in path.read_text().splitlines():
            received, separator, text = line.partition(": ")
            if not separator or not received.replace(".", "").isdigit():
                continue
            frame = decode_frame(text.encode())
            assert not isinstance(frame, UnreadableFrame), frame
            if isinstance(frame, OtherFrame):
                kinds[frame.kind] = kinds.get(frame.kind, 0) + 1
                continue
            wire = json.loads(text)["data"]
            assert (frame.symbol, frame.price, frame.qty) == (wire["s"], wire["p"], wire["q"])
            assert (frame.trade_time, frame.event_time) == (wire["T"] * 1_000, wire["E"] * 1_000)
            ids.setdefault(frame.symbol, []).append(frame.agg_id)
    assert sum(map(len, ids.values())) == 3_204
    assert len(ids) == 22
    assert all(held == list(range(held[0], held[0] + len(held))) for held in ids.values())
    assert set(kinds) == {"bookTicker", "depthUpdate", "kline"}


@needs_recordings
def test_single_messages_of_all_markets_and_years_decode() -> None:
    lines = (RECORDINGS / "spot_ws" / "aggtrade_single_messages.jsonl").read_text().splitlines()
    messages = [json.loads(line)["msg"] for line in lines]
    assert len(messages) == 18
    for message in messages:
        trade = decode_frame(json.dumps(message).encode())
        assert isinstance(trade, AggTrade)
        assert trade.agg_id == message.get("data", message)["a"]
