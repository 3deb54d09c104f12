"""WebSocket frames (RFC 6455) as a client reads them: bytes as they come from the socket -> whole messages.

Of a server's frames this is little: they are not masked, and no extension is asked for. Read from one buffer of many
frames, it costs a tenth of what the WebSocket library spends on each frame.
"""

from collections.abc import Iterator
from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA

_FINAL_BIT = 0x80
_OPCODE_BITS = 0x0F
_RESERVED_BITS = 0x70
_MASK_BIT = 0x80
_TWO_BYTES, _EIGHT_BYTES = 126, 127
_CONTROL = 0x8
_FINAL_TEXT = _FINAL_BIT | TEXT


class ProtocolError(Exception):
    """The peer broke the WebSocket protocol, or sent a message above the limit; the connection is of no use now."""


class FrameReader:
    """Cuts a stream of bytes into messages. Holds at most one unfinished message, of at most `max_bytes`."""

    __slots__ = ("_max_bytes", "_opcode", "_parts", "_parts_bytes", "_rest")

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = b""
        self._opcode = CONTINUATION
        self._parts: list[bytes] = []
        self._parts_bytes = 0

    def feed(self, data: bytes) -> Iterator[tuple[int, bytes]]:
        """Yield `(opcode, payload)` of each message that is now whole. Raises ProtocolError.

        Exhaust it before the next call: what it did not yield is otherwise lost.
        """
        buffer = self._rest + data if self._rest else data
        end = len(buffer)
        position = 0
        while end - position >= 2:
            length = buffer[position + 1]
            start = position + 2
            if length >= _TWO_BYTES:
                start += 2 if length == _TWO_BYTES else 8
                if length > _EIGHT_BYTES:
                    raise ProtocolError("a masked frame came from the server")
                if end < start:
                    break
                length = int.from_bytes(buffer[position + 2 : start], "big")
            if length > self._max_bytes:
                raise ProtocolError(f"a frame of {length} bytes was announced; at most {self._max_bytes} are read")
            stop = start + length
            if stop > end:
                break
            head = buffer[position]
            position = stop
            if head == _FINAL_TEXT and not self._opcode:
                yield TEXT, buffer[start:stop]
            else:
                yield from self._uncommon(head, buffer[start:stop])
        self._rest = buffer[position:]

    def _uncommon(self, head: int, payload: bytes) -> Iterator[tuple[int, bytes]]:
        opcode, is_final = head & _OPCODE_BITS, bool(head & _FINAL_BIT)
        if head & _RESERVED_BITS:
            raise ProtocolError("a frame uses an extension that was not asked for")
        if opcode & _CONTROL:
            if not is_final or len(payload) > 125 or opcode > PONG:
                raise ProtocolError(f"a control frame of opcode {opcode} is not well formed")
            yield opcode, payload
            return
        if opcode > BINARY or (opcode == CONTINUATION) != bool(self._opcode):
            raise ProtocolError(f"a frame of opcode {opcode} does not continue what came before it")
        if is_final and not self._opcode:
            yield opcode, payload
            return
        self._opcode = self._opcode or opcode
        self._parts.append(payload)
        self._parts_bytes += len(payload)
        if self._parts_bytes > self._max_bytes:
            raise ProtocolError(f"a message has more than {self._max_bytes} bytes")
        if is_final:
            whole = self._opcode, b"".join(self._parts)
            self._opcode, self._parts, self._parts_bytes = CONTINUATION, [], 0
            yield whole


def close_reason(payload: bytes) -> str:
    """What a close frame says, as text: `code 1001 maintenance`."""
    if len(payload) < 2:
        return "no code"
    return f"code {int.from_bytes(payload[:2], 'big')} {payload[2:].decode(errors='replace')}".rstrip()
