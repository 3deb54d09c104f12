"""Frames that no client can take for a trade, in all the ways seen or feared."""

from collections.abc import Iterator
from itertools import cycle, islice

MALFORMED_FRAMES: tuple[bytes, ...] = (
    b"",
    b"not json",
    b"null",
    b"[]",
    b"{}",
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1767225600000,"s":"BTCUSDT","a":1,"p":"8',
    b'{"stream":"btcusdt@aggTrade","data":null}',
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","s":"BTCUSDT"}}',
    b'{"e":"aggTrade","E":1767225600000,"s":"BTCUSDT","a":"1","p":1.5,"q":2,"f":1,"l":1,"T":"x","m":"no","M":true}',
    b'{"stream":"btcusdt@aggTrade","data":{"e":"aggTrade","E":1767225600000,"s":null,"a":null,"p":null}}',
    b'{"stream":"btcusdt@aggTrade","data":"\xff\xfe"}',
    b'{"e":' * 500,
)
"""The last but one is not UTF-8, which RFC 6455 forbids in a text frame."""


def malformed_frames(count: int) -> Iterator[bytes]:
    """The first `count`, over and over."""
    return islice(cycle(MALFORMED_FRAMES), count)
