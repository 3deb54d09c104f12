"""Reads captured WebSocket frames."""

import gzip
import io
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from firehose_dagster.simulator.source import Event, SourceFileError
from firehose_dagster.simulator.trade import Trade, symbol_of, to_us

_RECEIVED = re.compile(r"(\d{9,11}(?:\.\d+)?): ")
_STREAM_BY_EVENT = {"aggTrade": "aggTrade", "trade": "trade", "depthUpdate": "depth", "24hrTicker": "ticker"}


class _Wrapped(msgspec.Struct):
    stream: str
    data: msgspec.Raw


class _AggTrade(msgspec.Struct):
    E: int
    s: str
    a: int
    p: str
    q: str
    f: int
    l: int  # noqa: E741 - the exchange's letter
    T: int
    m: bool
    M: bool = True


_wrapped = msgspec.json.Decoder(_Wrapped)
_agg_trade = msgspec.json.Decoder(_AggTrade)


def read_recordings(paths: Sequence[Path]) -> tuple[dict[str, list[Event]], list[str]]:
    """Events by stream and the symbols seen, of all files on one timeline.

    A line is `<received, unix seconds>: {"stream":..,"data":..}`, or a frame alone, wrapped or not; without a time of
    receipt its event time counts, else that of the line before. Other lines are noise and passed over. `.gz` is
    unpacked. Frames of aggTrade streams whose content is wrong are kept: they are sent as they are.

    Raises:
        SourceFileError: a file cannot be read or holds no frame.
    """
    received: list[tuple[int, str, Event]] = []
    for path in paths:
        before = len(received)
        last_us = 0
        try:
            for line in _lines(path):
                parsed = _parse(line, last_us)
                if parsed is not None:
                    received.append(parsed)
                    last_us = parsed[0]
        except (OSError, EOFError) as error:
            raise SourceFileError(f"{path}: cannot be read: {error}") from error
        if len(received) == before:
            raise SourceFileError(
                f"{path}: holds no frame; a line is expected to be a JSON frame or `<unix seconds>: <JSON frame>`"
            )
    received.sort(key=lambda item: item[0])
    events_by_stream: dict[str, list[Event]] = defaultdict(list)
    symbols: dict[str, None] = {}
    for _, stream, event in received:
        events_by_stream[stream].append(event)
        symbols.setdefault(symbol_of(stream))
    return dict(events_by_stream), [symbol for symbol in symbols if symbol and not symbol.startswith("!")]


def _lines(path: Path) -> Iterator[str]:
    with path.open("rb") as stored:
        unpacked = gzip.GzipFile(fileobj=stored) if path.suffix == ".gz" else stored
        with io.TextIOWrapper(unpacked, encoding="utf-8", errors="replace") as lines:
            yield from lines


def _parse(line: str, last_us: int) -> tuple[int, str, Event] | None:
    """Time on the timeline, stream and event of a line; None for noise."""
    line = line.strip()
    received_at = _RECEIVED.match(line)
    text = line[received_at.end() :] if received_at else line
    if not text.startswith("{"):
        return None
    try:
        wrapped = _wrapped.decode(text)
        stream, data = wrapped.stream, bytes(wrapped.data).decode()
    except msgspec.DecodeError:
        named = _stream_of_bare(text)
        if named is None:
            return None
        stream, data = named, text
    trade, event_time_us = _trade_of(data) if stream.endswith("@aggTrade") else (None, None)
    if event_time_us is None:
        event_time_us = _event_time_of(data)
    due_us = int(Decimal(received_at[1]) * 1_000_000) if received_at else event_time_us or last_us
    return due_us, stream, Event(due_us, trade, event_time_us, data)


def _trade_of(data: str) -> tuple[Trade | None, int | None]:
    try:
        frame = _agg_trade.decode(data)
    except msgspec.DecodeError:
        return None, None
    trade = Trade(frame.a, frame.p, frame.q, frame.f, frame.l, to_us(frame.T), frame.m, frame.M)
    return trade, to_us(frame.E)


def _event_time_of(data: str) -> int | None:
    """The frame's `E` where it has a usable one."""
    try:
        frame: Any = msgspec.json.decode(data)
    except msgspec.DecodeError:
        return None
    event_time = frame.get("E") if isinstance(frame, dict) else None
    if isinstance(event_time, bool) or not isinstance(event_time, int) or event_time <= 0:
        return None
    return to_us(event_time)


def _stream_of_bare(text: str) -> str | None:
    """The stream that a frame without its wrapper came from; None where it does not say."""
    try:
        frame: Any = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return None
    if not isinstance(frame, dict) or not isinstance(frame.get("s"), str):
        return None
    kind = frame.get("e")
    if kind is None and {"u", "b", "B", "a", "A"} <= frame.keys():
        name = "bookTicker"
    elif kind == "kline" and isinstance(frame.get("k"), dict):
        name = f"kline_{frame['k'].get('i')}"
    elif isinstance(kind, str) and kind in _STREAM_BY_EVENT:
        name = _STREAM_BY_EVENT[kind]
    else:
        return None
    return f"{frame['s'].lower()}@{name}"
