"""Writes an event as the frame that one kind of client is sent."""

import re
from dataclasses import dataclass

from firehose_dagster.simulator.source import Event
from firehose_dagster.simulator.trade import frame_text, in_unit, to_us
from firehose_dagster.simulator.websocket_frame import text_frame

_TIME = re.compile(r'"(?P<key>[ET])":\s*(?P<number>\d+)')


@dataclass(frozen=True, slots=True)
class FrameKind:
    """What a client asked for: wrapped in `{"stream":..,"data":..}` or bare, microseconds or milliseconds."""

    combined: bool
    microseconds: bool


def frame(event: Event, stream: str, symbol: str, kind: FrameKind, sent_at_us: int) -> bytes:
    """The WebSocket frame. A recorded text stays as it is unless its times are to be another unit or moved."""
    if event.text is not None:
        data = _recorded(event, event.text, kind.microseconds)
    elif event.trade is not None:
        event_time_us = sent_at_us if event.event_time_us is None else event.event_time_us
        data = frame_text(event.trade, symbol, event_time_us, kind.microseconds)
    else:
        raise ValueError(f"an event of {stream} has neither a trade nor a text")
    text = f'{{"stream":"{stream}","data":{data}}}' if kind.combined else data
    return text_frame(text.encode())


def _recorded(event: Event, text: str, microseconds: bool) -> str:
    """Changes the numbers of `E` and `T` only; in other streams' frames that is every E and T at any depth."""

    def replaced(match: re.Match[str]) -> str:
        time_us = to_us(int(match["number"]))
        if event.retimed:
            if match["key"] == "E" and event.event_time_us is not None:
                time_us = event.event_time_us
            elif match["key"] == "T" and event.trade is not None:
                time_us = event.trade.time_us
        return f'"{match["key"]}":{in_unit(time_us, microseconds)}'

    if not event.retimed:
        first = _TIME.search(text)
        if first is None or (to_us(int(first["number"])) == int(first["number"])) == microseconds:
            return text
    return _TIME.sub(replaced, text)
