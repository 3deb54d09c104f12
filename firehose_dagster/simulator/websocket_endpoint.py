"""The exchange's WebSocket paths: `/ws`, `/ws/<stream>/..`, `/stream` and `/stream?streams=a/b`."""

import asyncio
import contextlib
import logging
import time
from collections import deque

from aiohttp import WSCloseCode, WSMsgType, web

from firehose_dagster.simulator.client import Client
from firehose_dagster.simulator.connection_attempts import ConnectionAttempts
from firehose_dagster.simulator.frame_text import FrameKind
from firehose_dagster.simulator.options import ExchangeOptions
from firehose_dagster.simulator.publisher import Publisher, utc_now_us
from firehose_dagster.simulator.stream_request import MAX_STREAMS, answer, refused_streams
from firehose_dagster.simulator.trade import MICROSECONDS_BY_UNIT
from firehose_dagster.simulator.violations import Violations

logger = logging.getLogger(__name__)


class WebSocketEndpoint:
    """Accepts clients, answers their requests, pings them, and drops those who break the exchange's rules."""

    def __init__(self, publisher: Publisher, options: ExchangeOptions, violations: Violations) -> None:
        self._publisher = publisher
        self._options = options
        self._violations = violations
        self._attempts = ConnectionAttempts(options.connection_attempts_per_5_minutes)

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        app.router.add_get("/ws", self._serve_raw)
        app.router.add_get("/ws/{streams:.*}", self._serve_raw)
        app.router.add_get("/stream", self._serve_combined)

    @property
    def attempts(self) -> int:
        """Handshakes asked for so far, the refused ones among them."""
        return self._attempts.total

    async def _serve_raw(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, request.match_info.get("streams", ""), combined=False)

    async def _serve_combined(self, request: web.Request) -> web.StreamResponse:
        return await self._serve(request, request.query.get("streams", ""), combined=True)

    async def _serve(self, request: web.Request, names: str, *, combined: bool) -> web.StreamResponse:
        retry_after_seconds = self._attempts.refused_for_seconds(request.remote or "")
        if retry_after_seconds is not None:
            self._violations.connection_attempts += 1
            raise web.HTTPTooManyRequests(
                headers={"Retry-After": str(retry_after_seconds)},
                text="Too many connection attempts: 300 in 5 minutes are allowed to an address.",
            )
        streams = [stream for stream in names.split("/") if stream]
        microseconds = MICROSECONDS_BY_UNIT.get(request.query.get("timeUnit") or "MILLISECOND")
        if microseconds is None or len(streams) > MAX_STREAMS or refused_streams(streams):
            raise web.HTTPBadRequest(text="Invalid timeUnit, invalid stream, or more than 1024 streams.")
        websocket = web.WebSocketResponse(autoping=False, compress=False)
        await websocket.prepare(request)
        transport = request.transport
        if transport is None:
            return websocket
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(f"{type(transport).__name__} cannot be written to")
        client = Client(websocket, transport, FrameKind(combined, microseconds))
        self._publisher.connect(client)
        client.retire_at_age(self._options.connection_max_age_seconds, b"24 hours are over")
        logger.info("event=client_connected peer=%s streams=%d", request.remote, len(streams))
        pongs: deque[bytes] = deque(maxlen=16)
        pinging = asyncio.create_task(self._ping(client, pongs))
        try:
            for stream in streams:
                self._publisher.subscribe(client, stream)
            with contextlib.suppress(ConnectionError):
                await self._receive(client, pongs)
            await client.let_close()
        finally:
            pinging.cancel()
            client.forget_retirement()
            self._publisher.disconnect(client)
            logger.info(
                "event=client_disconnected peer=%s sent_frames=%d close_code=%s",
                request.remote,
                client.sent_frames,
                websocket.close_code,
            )
        return websocket

    async def _receive(self, client: Client, pongs: "deque[bytes]") -> None:
        arrivals: deque[float] = deque(maxlen=self._options.client_messages_per_second + 1)
        async for message in client.websocket:
            arrivals.append(time.monotonic())
            if len(arrivals) == arrivals.maxlen and arrivals[-1] - arrivals[0] < 1.0:
                self._violations.client_messages += 1
                await client.close(WSCloseCode.POLICY_VIOLATION, b"Too many requests")
                return
            if message.type == WSMsgType.PING:
                await client.websocket.pong(message.data)
            elif message.type == WSMsgType.PONG:
                pongs.append(bytes(message.data))
            elif message.type == WSMsgType.TEXT:
                reply = answer(message.data, client, self._publisher.subscribe, self._publisher.unsubscribe)
                client.send_raw(reply)

    async def _ping(self, client: Client, pongs: "deque[bytes]") -> None:
        """The payload is the time; a pong counts only with the payload of a ping, an unsolicited one does not."""
        unanswered: dict[bytes, float] = {}
        while not client.closed:
            await asyncio.sleep(self._options.ping_interval_seconds)
            if client.is_frozen:
                return
            for payload in pongs:
                # Answering one ping answers those before it.
                if payload in unanswered:
                    answered_at = unanswered[payload]
                    unanswered = {key: at for key, at in unanswered.items() if at > answered_at}
            pongs.clear()
            now = time.monotonic()
            if any(now - pinged_at > self._options.pong_timeout_seconds for pinged_at in unanswered.values()):
                self._violations.pong_timeouts += 1
                await client.close(WSCloseCode.POLICY_VIOLATION, b"Pong timeout")
                return
            payload = str(utc_now_us() // 1_000).encode()
            unanswered[payload] = now
            try:
                await client.websocket.ping(payload)
            except ConnectionError:
                return
