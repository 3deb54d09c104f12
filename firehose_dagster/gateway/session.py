"""One WebSocket connection from its handshake to its end: receive, decode, check continuity, produce."""

import logging
import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field

import websocket

from firehose_dagster.binance import websocket_frames as wire
from firehose_dagster.binance.frames import AggTrade, OtherFrame, decode_frame
from firehose_dagster.binance.limits import (
    CLIENT_MESSAGE_INTERVAL_SECONDS,
    MAX_CLIENT_MESSAGES_PER_SECOND,
    MAX_FRAME_BYTES,
    SILENT_CONNECTION_SECONDS,
)
from firehose_dagster.binance.pace import Pace
from firehose_dagster.binance.streams import ConnectionPlan
from firehose_dagster.gateway.continuity import Cursor
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.publisher import Publisher, QueueFullError
from firehose_dagster.gateway.trade_messages import from_frame

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 10.0
RECEIVE_TIMEOUT_SECONDS = 0.5
"""A stop is noticed within this time on a silent connection."""
RECEIVE_BYTES = 65_536
FULL_READ_BYTES = 16_384
"""A read of so much (a TLS record at most) may have left something; a shorter one emptied the socket."""
PACE_WINDOW_SECONDS = 1.2
"""A little more than the exchange's second: messages do not arrive as evenly as they are sent."""
UNREADABLE_LOGGED = 10
UNREADABLE_LOGGED_EACH = 1_000
"""After the first few, so that a changed format does not flood the log."""
SERVER_SHUTDOWN = "serverShutdown"


class ConnectionLostError(Exception):
    """The connection is to be given up; the message says why."""


@dataclass
class Counts:
    """What came on one connection or several."""

    frames: int = 0
    bytes: int = 0
    trades: int = 0
    unparsable: int = 0
    by_kind: Counter[str] = field(default_factory=Counter)
    last_trade_time_us: int = 0

    def add(self, other: "Counts") -> None:
        """Add what came on another one."""
        self.frames += other.frames
        self.bytes += other.bytes
        self.trades += other.trades
        self.unparsable += other.unparsable
        self.by_kind.update(dict(other.by_kind))
        self.last_trade_time_us = max(self.last_trade_time_us, other.last_trade_time_us)


class Session:
    """Its counters and times are written by its own thread only and may be read by others."""

    def __init__(
        self, plan: ConnectionPlan, cursor: Cursor, healer: Healer, publisher: Publisher, halt: threading.Event
    ) -> None:
        self._plan = plan
        self.cursor = cursor
        self._healer = healer
        self._publisher = publisher
        self._halt = halt
        self._closing = False
        self._unanswered = len(plan.messages)
        self._pace = Pace(MAX_CLIENT_MESSAGES_PER_SECOND - 1, PACE_WINDOW_SECONDS)
        self._pong: bytes | None = None
        self.counts = Counts()
        self.opened_at = time.monotonic()
        self.confirmed_at: float | None = None
        self.caught_up_at = 0.0
        self.is_open = False
        self.is_shutting_down = False

    def close(self) -> None:
        """Have it end within RECEIVE_TIMEOUT_SECONDS; returns at once."""
        self._closing = True

    def run(self) -> str:
        """Receive until `close`, the gateway's halt or the connection's end; says why it ended.

        Raises DeliveryFailedError as the publisher does.
        """
        try:
            self._connect_and_receive()
        except websocket.WebSocketBadStatusException as error:
            # Its text holds all headers and the whole body, which may be a page of a firewall.
            return f"the handshake was answered {error.status_code}"
        except (websocket.WebSocketException, wire.ProtocolError, ConnectionLostError, QueueFullError) as error:
            return f"{type(error).__name__}: {error}"
        except OSError as error:
            return f"{type(error).__name__}: {self._plan.url.partition('?')[0]}: {error}"
        return "closed by us"

    def _connect_and_receive(self) -> None:
        # The library shakes hands (proxies, TLS, redirects) and writes; frames are read by our own reader.
        connection = websocket.WebSocket(enable_multithread=False)
        connection.connect(self._plan.url, timeout=CONNECT_TIMEOUT_SECONDS)  # type: ignore[no-untyped-call]  # library's
        try:
            connection.settimeout(RECEIVE_TIMEOUT_SECONDS)
            self.opened_at = self.caught_up_at = time.monotonic()
            self.is_open = True
            if not self._unanswered:
                self.confirmed_at = self.opened_at
            logger.info("event=connected symbols=%d", len(self._plan.symbols))
            self._receive(connection)
            connection.send_close()
        finally:
            self.is_open = False
            connection.shutdown()  # type: ignore[no-untyped-call]  # library's own

    def _receive(self, connection: websocket.WebSocket) -> None:
        socket = connection.sock
        if socket is None:
            raise ConnectionLostError("the handshake left no socket")
        feed = wire.FrameReader(MAX_FRAME_BYTES).feed
        handle, monotonic = self._handle, time.monotonic
        pending = deque(self._plan.messages)
        next_message_at = 0.0
        heard_at = monotonic()
        while not (self._closing or self._halt.is_set()):
            now = monotonic()
            if pending and now >= next_message_at and self._may_send(now):
                connection.send_text(pending.popleft())
                next_message_at = now + CLIENT_MESSAGE_INTERVAL_SECONDS
            if self._pong is not None and self._may_send(now):
                connection.pong(self._pong)
                self._pong = None
            try:
                data = socket.recv(RECEIVE_BYTES)
            except TimeoutError:
                self.caught_up_at = monotonic()
                if self.caught_up_at - heard_at >= SILENT_CONNECTION_SECONDS:
                    raise ConnectionLostError(f"neither frame nor ping for {SILENT_CONNECTION_SECONDS:g} s") from None
                continue
            if not data:
                raise ConnectionLostError("cut without a closing handshake (1006)")
            heard_at = monotonic()
            received_at = time.time_ns() // 1_000
            for opcode, payload in feed(data):
                if opcode <= wire.BINARY:
                    handle(payload, received_at)
                elif opcode == wire.PING:
                    # Answering the newest answers those before it.
                    self._pong = payload
                elif opcode == wire.CLOSE:
                    raise ConnectionLostError(f"closed by the exchange: {wire.close_reason(payload)}")
            if len(data) < FULL_READ_BYTES:
                self.caught_up_at = heard_at

    def _may_send(self, now: float) -> bool:
        if self._pace.wait_seconds(now) > 0:
            return False
        self._pace.note(now)
        return True

    def _handle(self, data: bytes, received_at: int) -> None:
        counts = self.counts
        counts.frames += 1
        counts.bytes += len(data)
        frame = decode_frame(data)
        if isinstance(frame, AggTrade):
            # Noted before it is produced: a delivery that fails takes it back, and must find it.
            gaps = self.cursor.observe(frame.symbol, frame.agg_id)
            try:
                self._publisher.publish(from_frame(frame, received_at))
            except QueueFullError:
                self._publisher.lose(frame.symbol, frame.agg_id)
                raise
            finally:
                for gap in gaps:
                    self._healer.request(frame.symbol, gap)
            counts.trades += 1
            counts.last_trade_time_us = frame.trade_time
        elif isinstance(frame, OtherFrame):
            self._handle_other(frame)
        else:
            self._publisher.publish_raw(frame.raw)
            counts.unparsable += 1
            if counts.unparsable <= UNREADABLE_LOGGED or counts.unparsable % UNREADABLE_LOGGED_EACH == 0:
                logger.warning(
                    "event=frame_unreadable count=%d bytes=%d reason=%s", counts.unparsable, len(data), frame.reason
                )

    def _handle_other(self, frame: OtherFrame) -> None:
        self.counts.by_kind[frame.kind] += 1
        if frame.kind == "error":
            raise ConnectionLostError(f"the exchange refused a request: {frame.text[:200]}")
        if frame.kind == SERVER_SHUTDOWN:
            self.is_shutting_down = True
        if frame.kind == "response" and self._unanswered:
            self._unanswered -= 1
            if not self._unanswered:
                self.confirmed_at = time.monotonic()
