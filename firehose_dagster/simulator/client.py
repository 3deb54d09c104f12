"""One WebSocket connection as the publisher sees it."""

import asyncio
import time

from aiohttp import WSCloseCode, web

from firehose_dagster.simulator.frame_text import FrameKind
from firehose_dagster.simulator.websocket_frame import text_frame

_CONGESTED_FROM_BYTES = 256 * 1024
_CLOSING_SECONDS = 2.0


class Client:
    """Frames offered are handed to the socket together; what it has not taken tells how far the client reads."""

    def __init__(self, websocket: web.WebSocketResponse, transport: asyncio.Transport, kind: FrameKind) -> None:
        self.websocket = websocket
        self.kind = kind
        self.streams: dict[str, None] = {}
        """In the order of subscription."""
        self.sent_frames = 0
        self.is_frozen = False
        """Half-open: nothing is sent or read any more, yet the connection stands."""
        self._transport = transport
        self._offered: list[bytes] = []
        self._connected_at_seconds = time.monotonic()
        self._retirement: asyncio.TimerHandle | None = None
        self._retiring: asyncio.Task[None] | None = None
        self._is_closing = False
        self._has_closed = asyncio.Event()

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing() or self.websocket.closed

    @property
    def unread_bytes(self) -> int:
        """Bytes that the socket has not taken yet."""
        return 0 if self._transport.is_closing() or self.is_frozen else self._transport.get_write_buffer_size()

    @property
    def congested(self) -> bool:
        """Whether to wait with more until the client has read."""
        return self.unread_bytes > _CONGESTED_FROM_BYTES

    def offer(self, frame: bytes) -> None:
        """Add a frame to what `flush` sends."""
        self._offered.append(frame)

    def flush(self) -> int:
        """Hand what was offered to the socket; how many frames that were."""
        frames, self._offered = self._offered, []
        if not frames or self.closed or self.is_frozen:
            return 0
        # Whole frames, past aiohttp's writer: a call for each would cost more than all the rest together.
        self._transport.write(b"".join(frames))
        self.sent_frames += len(frames)
        return len(frames)

    def send_raw(self, text: str) -> None:
        """Send one message as it is, valid or not."""
        self.send_bytes(text.encode())

    def send_bytes(self, payload: bytes) -> None:
        """Send one text message with this payload, which need not be text."""
        self.offer(text_frame(payload))
        self.flush()

    def retire_at_age(self, seconds: float, reason: bytes) -> None:
        """Close with 1001 once the connection is this old, now if it is; replaces what was planned before."""
        self.forget_retirement()
        wait_seconds = max(0.0, self._connected_at_seconds + seconds - time.monotonic())
        self._retirement = asyncio.get_running_loop().call_later(wait_seconds, self._retire, reason)

    def forget_retirement(self) -> None:
        """For a connection that is gone."""
        if self._retirement is not None:
            self._retirement.cancel()

    def freeze(self, seconds: float) -> None:
        """Be as a peer that vanished; drop the connection after so many seconds if the client does not."""
        self.is_frozen = True
        self._transport.pause_reading()
        asyncio.get_running_loop().call_later(seconds, self.abort)

    async def close(self, code: int, reason: bytes = b"") -> None:
        """Close by handshake; a client that does not answer, or reads nothing any more, is cut off."""
        self._is_closing = True
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self.websocket.close(code=code, message=reason)
        except (TimeoutError, ConnectionError):
            self.abort()
        finally:
            self._has_closed.set()

    async def let_close(self) -> None:
        """Wait for a `close` that is under way: if the handler returned before, aiohttp would send its own code."""
        if self._is_closing:
            await self._has_closed.wait()

    def abort(self) -> None:
        """Drop the connection without a closing handshake."""
        self._transport.abort()

    def _retire(self, reason: bytes) -> None:
        self._retiring = asyncio.create_task(self.close(WSCloseCode.GOING_AWAY, reason))
