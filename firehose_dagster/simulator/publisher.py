"""Plays the tapes to the clients that subscribed, in the order of their due times."""

import asyncio
import heapq
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from operator import itemgetter

from firehose_dagster.simulator.client import Client
from firehose_dagster.simulator.frame_text import FrameKind, frame
from firehose_dagster.simulator.source import Event, Source, Tape
from firehose_dagster.simulator.stream_faults import StreamFaults
from firehose_dagster.simulator.trade import stream_of, symbol_of

_FOREVER_US = 1 << 62
_SHORTEST_WAIT_SECONDS = 0.005
_CONGESTION_POLL_SECONDS = 0.001
_LONGEST_WINDOW_US = 10_000_000
_SHORTEST_WINDOW_US = 10_000
_FEW_EVENTS, _MANY_EVENTS = 1_000, 5_000


def utc_now_us() -> int:
    """Wall clock, epoch microseconds."""
    return time.time_ns() // 1_000


@dataclass(eq=False)
class _Lane:
    """A stream that was subscribed to at least once."""

    stream: str
    symbol: str
    tape: Tape
    number: int
    clients: dict[Client, None] = field(default_factory=dict)
    queued: bool = False
    """Whether it stands in the heap."""
    first_sent_id: int | None = None
    """Of the trades that were handed to a client."""


class Publisher:
    """Everything runs in one event loop. A stream whose client does not keep up waits; it loses nothing by that."""

    def __init__(self, source: Source, faults: StreamFaults, now_us: Callable[[], int] = utc_now_us) -> None:
        self._source = source
        self._faults = faults
        self._now_us = now_us
        self._lanes: dict[str, _Lane] = {}
        self._queue: list[tuple[int, int, _Lane]] = []
        self._window_us = _SHORTEST_WINDOW_US
        self._changed = asyncio.Event()
        self.clients: dict[Client, None] = {}
        self.sent_frames = 0

    def connect(self, client: Client) -> None:
        """Make the client known, without a stream yet."""
        self.clients[client] = None

    def disconnect(self, client: Client) -> None:
        """Forget the client and its subscriptions."""
        self.clients.pop(client, None)
        for stream in tuple(client.streams):
            self.unsubscribe(client, stream)

    def subscribe(self, client: Client, stream: str) -> None:
        """Send the stream to the client from now on; the first subscription ever starts its tape."""
        client.streams[stream] = None
        lane = self._lanes.get(stream)
        if lane is None:
            tape = self._source.open(stream, self._now_us())
            if tape is None:
                return
            symbol = symbol_of(stream)
            lane = self._lanes[stream] = _Lane(stream, symbol, tape, len(self._lanes))
        elif not lane.clients and self._source.paced:
            lane.tape.skip(self._now_us())
        lane.clients[client] = None
        self._enqueue(lane)
        self._changed.set()

    def unsubscribe(self, client: Client, stream: str) -> None:
        """Send the stream to the client no more."""
        client.streams.pop(stream, None)
        if (lane := self._lanes.get(stream)) is not None:
            lane.clients.pop(client, None)

    def clients_of(self, symbols: Collection[str]) -> tuple[Client, ...]:
        """Those with a stream of at least one of the symbols, whatever the stream; all where no symbol is given."""
        if not symbols:
            return tuple(self.clients)
        wanted = frozenset(symbols)
        return tuple(client for client in self.clients if any(symbol_of(stream) in wanted for stream in client.streams))

    def first_sent_id(self, symbol: str) -> int | None:
        """The first trade of the symbol that was ever handed to a client; None before it."""
        lane = self._lanes.get(stream_of(symbol))
        return None if lane is None else lane.first_sent_id

    def wake(self) -> None:
        """Look at once for what is due: a fault may have changed when that is."""
        self._changed.set()

    @property
    def finished(self) -> bool:
        """Whether every stream ever subscribed to has come to its end and all of it was taken by the sockets."""
        now_us = self._now_us() if self._source.paced else _FOREVER_US
        for lane in self._lanes.values():
            if not lane.clients and self._source.paced:
                lane.tape.skip(now_us)
            if lane.tape.next_due_us() is not None:
                return False
        held_back = self._faults.next_release_us is not None
        return bool(self._lanes) and not held_back and not any(client.unread_bytes for client in self.clients)

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            wait_seconds = self._publish_window()
            if wait_seconds == 0:
                await asyncio.sleep(0)
                continue
            self._changed.clear()
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def _publish_window(self) -> float | None:
        """Send what is due, at most a window of it; seconds to wait for more, None: until something changes."""
        now_us = self._now_us()
        self._send_released(now_us)
        horizon_us = now_us if self._source.paced else _FOREVER_US
        congested = {client for client in self.clients if client.congested}
        due: list[tuple[int, _Lane, Event]] = []
        waiting: list[_Lane] = []
        end_us: int | None = None
        while self._queue and self._queue[0][0] <= (horizon_us if end_us is None else end_us):
            first_us, _, lane = heapq.heappop(self._queue)
            lane.queued = False
            if not lane.clients:
                continue
            if congested and not congested.isdisjoint(lane.clients):
                waiting.append(lane)
                continue
            if end_us is None:
                end_us = min(horizon_us, first_us + self._window_us)
            due.extend((event.due_us, lane, event) for event in lane.tape.take(end_us))
            self._enqueue(lane)
        for lane in waiting:
            self._enqueue(lane)
        if not due:
            return self._wait_seconds(now_us, bool(waiting))
        self._send(due, now_us)
        if len(due) < _FEW_EVENTS:
            self._window_us = min(self._window_us * 2, _LONGEST_WINDOW_US)
        elif len(due) > _MANY_EVENTS:
            self._window_us = max(self._window_us // 2, _SHORTEST_WINDOW_US)
        return 0 if end_us is not None and end_us < horizon_us else self._wait_seconds(now_us, bool(waiting))

    def _send(self, due: list[tuple[int, _Lane, Event]], now_us: int) -> None:
        due.sort(key=itemgetter(0))
        faulty = self._faults.any(now_us)
        for _, lane, event in due:
            if faulty:
                for passed in self._faults.pass_on(lane.stream, lane.symbol, event, now_us):
                    self._offer(lane, passed, now_us)
            else:
                self._offer(lane, event, now_us)
        self._flush()

    def _send_released(self, now_us: int) -> None:
        released = False
        for stream, event in self._faults.released(now_us):
            self._offer(self._lanes[stream], event, now_us)
            released = True
        if released:
            self._flush()

    def _offer(self, lane: _Lane, event: Event, now_us: int) -> None:
        frames: dict[FrameKind, bytes] = {}
        for client in lane.clients:
            encoded = frames.get(client.kind)
            if encoded is None:
                encoded = frames[client.kind] = frame(event, lane.stream, lane.symbol, client.kind, now_us)
            client.offer(encoded)
        if lane.first_sent_id is None and frames and event.trade is not None:
            lane.first_sent_id = event.trade.agg_id

    def _flush(self) -> None:
        for client in self.clients:
            self.sent_frames += client.flush()

    def _wait_seconds(self, now_us: int, congested: bool) -> float | None:
        if congested:
            return _CONGESTION_POLL_SECONDS
        wakes_us = [at_us for at_us in (self._faults.next_release_us,) if at_us is not None]
        if self._queue:
            if not self._source.paced:
                return _CONGESTION_POLL_SECONDS
            wakes_us.append(self._queue[0][0])
        # Waking for every single trade would cost more than it is early by.
        return max((min(wakes_us) - now_us) / 1_000_000, _SHORTEST_WAIT_SECONDS) if wakes_us else None

    def _enqueue(self, lane: _Lane) -> None:
        if lane.queued:
            return
        due_us = lane.tape.next_due_us()
        if due_us is not None:
            heapq.heappush(self._queue, (due_us, lane.number, lane))
            lane.queued = True
