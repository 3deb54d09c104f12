"""A finite source: frames read from files, played at a pace."""

from bisect import bisect_right
from collections.abc import Mapping, Sequence

import msgspec

from firehose_dagster.simulator.held_trades import HeldTrades
from firehose_dagster.simulator.pace import Pace
from firehose_dagster.simulator.source import Event
from firehose_dagster.simulator.trade import Trade, stream_of


class ReplayTape:
    """A stream's events, in order, from its first subscription on."""

    def __init__(self, events: Sequence[Event], dues_us: Sequence[int], pace: Pace, shifted: bool) -> None:
        self._events = events
        self._dues_us = dues_us
        self._pace = pace
        self._paced = pace.speed > 0
        self._shifted = shifted
        self._position = 0

    def next_due_us(self) -> int | None:
        """When the next event is due; None at the end."""
        if self._position >= len(self._events):
            return None
        due_us = self._dues_us[self._position]
        return self._pace.wall_us(due_us) if self._paced else due_us

    def take(self, until_us: int) -> list[Event]:
        """The events due up to and including `until_us`, in order, each once."""
        end = self._count(until_us)
        events = [self._placed(index) for index in range(self._position, end)]
        self._position = max(self._position, end)
        return events

    def skip(self, until_us: int) -> None:
        """Pass over what is due up to and including `until_us`."""
        self._position = max(self._position, self._count(until_us))

    def due_trades(self, start: int, now_us: int) -> tuple[int, list[Trade]]:
        """How many events were due by now, and the trades among those from `start` on."""
        end = self._count(now_us) if self._paced else self._position
        trades = (self._placed(index).trade for index in range(start, end))
        return max(start, end), [trade for trade in trades if trade is not None]

    def _count(self, until_us: int) -> int:
        if not self._paced:
            return bisect_right(self._dues_us, until_us)
        # Rounding differs by direction: find the neighbourhood, then decide by the direction events are sent in.
        count = bisect_right(self._dues_us, self._pace.timeline_us(until_us))
        while count > 0 and self._pace.wall_us(self._dues_us[count - 1]) > until_us:
            count -= 1
        while count < len(self._dues_us) and self._pace.wall_us(self._dues_us[count]) <= until_us:
            count += 1
        return count

    def _placed(self, index: int) -> Event:
        event = self._events[index]
        due_us = self._dues_us[index]
        if self._paced:
            due_us = self._pace.wall_us(due_us)
        if not self._shifted:
            return Event(due_us, event.trade, event.event_time_us, event.text)
        trade = event.trade
        if trade is not None:
            trade = msgspec.structs.replace(trade, time_us=self._pace.wall_us(trade.time_us))
        event_time_us = event.event_time_us if event.event_time_us is not None else self._dues_us[index]
        return Event(due_us, trade, self._pace.wall_us(event_time_us), event.text, retimed=True)


class ReplaySource:
    """Streams of events with the times they had; see `ExchangeOptions.speed` and `.shift_to_now`."""

    def __init__(
        self,
        description: str,
        events_by_stream: Mapping[str, Sequence[Event]],
        symbols: Sequence[str],
        *,
        speed: float,
        shift_to_now: bool,
        now_us: int,
    ) -> None:
        self._description = description
        self._symbols = tuple(symbols)
        self._events_by_stream = events_by_stream
        self._dues_by_stream = {stream: _dues(events, shift_to_now) for stream, events in events_by_stream.items()}
        self._speed = speed
        self._shifted = shift_to_now
        self._created_at_us = now_us
        self._first_us = min(dues[0] for dues in self._dues_by_stream.values())
        self._last_us = max(dues[-1] for dues in self._dues_by_stream.values())
        self._held: dict[str, HeldTrades] = {}

    @property
    def paced(self) -> bool:
        """Whether events are due by the wall clock; else as fast as the client reads."""
        return self._speed > 0

    @property
    def description(self) -> str:
        """For people: one phrase."""
        return self._description

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols seen in any frame."""
        return self._symbols

    def open(self, stream: str, now_us: int) -> ReplayTape | None:
        """The stream's tape, starting now; None for a stream without frames."""
        events = self._events_by_stream.get(stream)
        if events is None:
            return None
        if self.paced:
            pace = Pace(self._first_us, now_us, self._speed)
        else:
            pace = Pace(self._last_us, self._created_at_us, 0.0)
        tape = ReplayTape(events, self._dues_by_stream[stream], pace, self._shifted)
        self._held[stream] = HeldTrades(tape.due_trades)
        return tape

    def due_ids(self, symbol: str, now_us: int) -> tuple[int, int] | None:
        """Lowest and highest id that was due; None where there is none."""
        held = self._held.get(stream_of(symbol))
        return held.ids(now_us) if held else None

    def trades_from(self, symbol: str, from_id: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with ids from `from_id` on, by id, at most `limit`."""
        held = self._held.get(stream_of(symbol))
        return held.from_id(from_id, limit, now_us) if held else []

    def trades_between(self, symbol: str, start_us: int, end_us: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with `start_us <= time < end_us`, by id, the first `limit`."""
        held = self._held.get(stream_of(symbol))
        return [trade for trade in held.before(end_us, now_us) if trade.time_us >= start_us][:limit] if held else []

    def latest_trades(self, symbol: str, before_us: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with `time < before_us`, by id, the last `limit`."""
        held = self._held.get(stream_of(symbol))
        return held.before(before_us, now_us)[-limit:] if held else []

    def close(self) -> None:
        """Nothing is held open: the files were read at the start."""


def _dues(events: Sequence[Event], by_event_time: bool) -> list[int]:
    """When each is due: never before the one it follows, for a stream keeps its order."""
    dues: list[int] = []
    latest_us = 0
    for event in events:
        own_us = event.due_us
        if by_event_time and event.event_time_us is not None:
            own_us = event.event_time_us
        latest_us = max(latest_us, own_us)
        dues.append(latest_us)
    return dues
