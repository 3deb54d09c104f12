"""One WebSocket connection as the publisher sees it."""

import asyncio

from aiohttp import web

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
        self._transport = transport
        self._offered: list[bytes] = []

    @property
    def closed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._transport.is_closing() or self.websocket.closed

    @property
    def unread_bytes(self) -> int:
        """Bytes that the socket has not taken yet."""
        return 0 if self._transport.is_closing() else self._transport.get_write_buffer_size()

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
        if not frames or self.closed:
            return 0
        # Whole frames, past aiohttp's writer: a call for each would cost more than all the rest together.
        self._transport.write(b"".join(frames))
        self.sent_frames += len(frames)
        return len(frames)

    def send_raw(self, text: str) -> None:
        """Send one message as it is, valid or not."""
        self.offer(text_frame(text.encode()))
        self.flush()

    async def close(self, code: int, reason: bytes = b"") -> None:
        """Close by handshake; a client that does not answer, or reads nothing any more, is cut off."""
        try:
            async with asyncio.timeout(_CLOSING_SECONDS):
                await self.websocket.close(code=code, message=reason)
        except (TimeoutError, ConnectionError):
            self.abort()

    def abort(self) -> None:
        """Drop the connection without a closing handshake."""
        self._transport.abort()
