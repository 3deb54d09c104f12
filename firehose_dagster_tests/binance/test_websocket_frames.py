"""Any cut of the bytes gives the same messages; what breaks the protocol ends the connection."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websocket import ABNF

from firehose_dagster.binance.websocket_frames import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    FrameReader,
    ProtocolError,
    close_reason,
)

OPCODES = st.sampled_from([TEXT, BINARY, PING, PONG])
PAYLOADS = st.one_of(st.binary(max_size=125), st.binary(min_size=120, max_size=300))


def _wire(opcode: int, payload: bytes, final: bool = True) -> bytes:
    """By hand from RFC 6455, section 5.2."""
    head = bytes([opcode | (0x80 if final else 0)])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65_536:
        return head + b"\x7e" + len(payload).to_bytes(2, "big") + payload
    return head + b"\x7f" + len(payload).to_bytes(8, "big") + payload


def _read(data: bytes, cuts: list[int] | None = None, max_bytes: int = 10**6) -> list[tuple[int, bytes]]:
    reader = FrameReader(max_bytes)
    places = sorted({0, len(data), *(cut % (len(data) + 1) for cut in cuts or [])})
    found: list[tuple[int, bytes]] = []
    for start, stop in pairwise(places):
        found += reader.feed(data[start:stop])
    return found


@given(st.lists(st.tuples(OPCODES, PAYLOADS), max_size=12), st.lists(st.integers(0, 5_000), max_size=12))
def test_messages_come_whole_wherever_the_bytes_are_cut(messages: list[tuple[int, bytes]], cuts: list[int]) -> None:
    messages = [(opcode, payload[:125] if opcode >= CLOSE else payload) for opcode, payload in messages]
    assert _read(b"".join(_wire(*message) for message in messages), cuts) == messages


@pytest.mark.parametrize("size", [0, 125, 126, 127, 65_535, 65_536, 200_000])
def test_every_form_of_the_length_is_read_as_the_library_writes_it(size: int) -> None:
    frame = ABNF(1, 0, 0, 0, ABNF.OPCODE_TEXT, 0, b"x" * size)
    assert _read(frame.format()) == [(TEXT, b"x" * size)]


@given(st.lists(st.binary(max_size=20), min_size=2, max_size=5), st.lists(st.integers(0, 99), max_size=5))
def test_a_message_in_parts_is_one_and_pings_may_stand_between_them(parts: list[bytes], cuts: list[int]) -> None:
    wire = _wire(TEXT, parts[0], final=False)
    for number, part in enumerate(parts[1:], start=2):
        wire += _wire(PING, b"p") + _wire(0, part, final=number == len(parts))
    wire += _wire(TEXT, b"next")
    expected = [(PING, b"p")] * (len(parts) - 1) + [(TEXT, b"".join(parts)), (TEXT, b"next")]
    assert _read(wire, cuts) == expected


@pytest.mark.parametrize(
    ("wire", "reason"),
    [
        (b"\x81\x85abcdhello", "masked"),
        (b"\xc1\x01a", "extension"),
        (_wire(0, b"rest"), "does not continue"),
        (_wire(TEXT, b"a", final=False) + _wire(TEXT, b"b"), "does not continue"),
        (_wire(3, b""), "does not continue"),
        (_wire(0xB, b""), "not well formed"),
        (_wire(PING, b"", final=False), "not well formed"),
        (_wire(PING, b"x" * 126), "not well formed"),
        (b"\x81\x7f" + (1 << 40).to_bytes(8, "big"), "1099511627776 bytes was announced"),
        (_wire(TEXT, b"x" * 90, final=False) + _wire(0, b"x" * 90), "more than 150 bytes"),
    ],
)
def test_what_breaks_the_protocol_is_said(wire: bytes, reason: str) -> None:
    with pytest.raises(ProtocolError, match=reason):
        _read(wire, max_bytes=150)


def test_a_close_says_its_code_and_reason() -> None:
    assert close_reason((1_001).to_bytes(2, "big") + b"maintenance") == "code 1001 maintenance"
    assert close_reason((1_000).to_bytes(2, "big")) == "code 1000"
    assert close_reason(b"") == "no code"
