"""One WebSocket connection: receive, decode, check continuity, produce; reconnect when it breaks."""

import logging
import threading
import time
from collections import Counter, deque

import websocket

from firehose_dagster.binance.frames import AggTrade, OtherFrame, decode_frame
from firehose_dagster.binance.limits import CLIENT_MESSAGE_INTERVAL_SECONDS, SILENT_CONNECTION_SECONDS
from firehose_dagster.binance.streams import ConnectionPlan
from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.gateway.backoff import backoff_seconds
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.publisher import Publisher

logger = logging.getLogger(__name__)

CONNECT_TIMEOUT_SECONDS = 10.0
RECEIVE_TIMEOUT_SECONDS = 0.5
"""A stop is noticed within this time on a silent connection."""
CLOSE_TIMEOUT_SECONDS = 1
UNREADABLE_LOGGED = 10
UNREADABLE_LOGGED_EACH = 1_000
"""After the first few, so that a changed format does not flood the log."""
SERVER_SHUTDOWN = "serverShutdown"


class _ConnectionLost(Exception):
    """The connection is to be given up; the message says why."""


class StreamConnection:
    """Keeps one planned connection open until the gateway halts. Its counters are written by its own thread only."""

    def __init__(
        self, plan: ConnectionPlan, continuity: Continuity, healer: Healer, publisher: Publisher, halt: threading.Event
    ) -> None:
        self._plan = plan
        self._continuity = continuity
        self._healer = healer
        self._publisher = publisher
        self._halt = halt
        self.is_open = False
        self.reconnects = 0
        self.frames = 0
        self.bytes = 0
        self.trades = 0
        self.unparsable = 0
        self.by_kind: Counter[str] = Counter()
        self.last_trade_time_us: int | None = None
        self.last_error: str | None = None

    def run(self) -> None:
        """Receive until the gateway halts. Raises DeliveryFailedError as the publisher does."""
        waits = backoff_seconds()
        while not self._halt.is_set():
            frames_before = self.frames
            try:
                self._receive_one_connection()
            except (websocket.WebSocketException, OSError, _ConnectionLost) as error:
                self.last_error = f"{type(error).__name__.lstrip('_')}: {error}"
            if self._halt.is_set():
                break
            if self.frames > frames_before:
                waits = backoff_seconds()
            seconds = next(waits)
            self.reconnects += 1
            logger.warning("event=reconnecting seconds=%.1f reason=%s", seconds, self.last_error)
            self._halt.wait(seconds)

    def _receive_one_connection(self) -> None:
        # UTF-8 is checked where the text is decoded; the library's own check is a loop in Python.
        socket = websocket.WebSocket(enable_multithread=False, skip_utf8_validation=True)
        socket.connect(self._plan.url, timeout=CONNECT_TIMEOUT_SECONDS)  # type: ignore[no-untyped-call]  # library's own
        try:
            socket.settimeout(RECEIVE_TIMEOUT_SECONDS)
            self.is_open = True
            logger.info("event=connected symbols=%d", len(self._plan.symbols))
            self._receive(socket)
        finally:
            self.is_open = False
            socket.close(timeout=CLOSE_TIMEOUT_SECONDS)
            socket.shutdown()  # type: ignore[no-untyped-call]  # library's own

    def _receive(self, socket: websocket.WebSocket) -> None:
        is_halted, receive, handle = self._halt.is_set, socket.recv_data, self._handle
        pending = deque(self._plan.messages)
        next_message_at = 0.0
        silent_seconds = 0.0
        while not is_halted():
            if pending and time.monotonic() >= next_message_at:
                socket.send_text(pending.popleft())
                next_message_at = time.monotonic() + CLIENT_MESSAGE_INTERVAL_SECONDS
            try:
                # Pings come back too: they are answered by the library and show that the peer lives.
                opcode, data = receive(True)
            except websocket.WebSocketTimeoutException:
                silent_seconds += RECEIVE_TIMEOUT_SECONDS
                if silent_seconds >= SILENT_CONNECTION_SECONDS:
                    raise _ConnectionLost(f"neither frame nor ping for {silent_seconds:g} s") from None
                continue
            silent_seconds = 0.0
            if opcode == websocket.ABNF.OPCODE_TEXT or opcode == websocket.ABNF.OPCODE_BINARY:
                handle(data)
            elif opcode == websocket.ABNF.OPCODE_CLOSE:
                raise _ConnectionLost(f"closed by the exchange: {_close_reason(data)}")

    def _handle(self, data: bytes) -> None:
        self.frames += 1
        self.bytes += len(data)
        frame = decode_frame(data)
        if isinstance(frame, AggTrade):
            for gap in self._continuity.observe(frame.symbol, frame.agg_id):
                self._healer.request(frame.symbol, gap)
            self._publisher.publish(_message(frame, time.time_ns() // 1_000))
            self.trades += 1
            self.last_trade_time_us = frame.trade_time
        elif isinstance(frame, OtherFrame):
            self._handle_other(frame)
        else:
            self._publisher.publish_raw(frame.raw)
            self.unparsable += 1
            if self.unparsable <= UNREADABLE_LOGGED or self.unparsable % UNREADABLE_LOGGED_EACH == 0:
                logger.warning(
                    "event=frame_unreadable count=%d bytes=%d reason=%s", self.unparsable, len(data), frame.reason
                )

    def _handle_other(self, frame: OtherFrame) -> None:
        self.by_kind[frame.kind] += 1
        if frame.kind == "error":
            raise _ConnectionLost(f"the exchange refused a request: {frame.text[:200]}")
        if frame.kind == SERVER_SHUTDOWN:
            raise _ConnectionLost("the exchange announced that it shuts this connection's server down")


def _message(trade: AggTrade, received_at: int) -> AggTradeMessage:
    return AggTradeMessage(
        symbol=trade.symbol,
        agg_id=trade.agg_id,
        price=trade.price,
        qty=trade.qty,
        first_trade_id=trade.first_trade_id,
        last_trade_id=trade.last_trade_id,
        trade_time=trade.trade_time,
        event_time=trade.event_time,
        received_at=received_at,
        is_buyer_maker=trade.is_buyer_maker,
        source="ws",
    )


def _close_reason(data: bytes) -> str:
    if len(data) < 2:
        return "no code"
    return f"code {int.from_bytes(data[:2], 'big')} {data[2:].decode(errors='replace')}".rstrip()
