"""Encodes server frames, so that thousands can be handed to a socket at once (RFC 6455 section 5.2)."""

_TEXT = 0x81
"""A final fragment with opcode 1."""
_SHORT_HEADERS = [bytes((_TEXT, length)) for length in range(126)]


def text_frame(payload: bytes) -> bytes:
    """One unmasked, uncompressed text message in one frame."""
    length = len(payload)
    if length < 126:
        return _SHORT_HEADERS[length] + payload
    if length < 65_536:
        return b"\x81\x7e" + length.to_bytes(2, "big") + payload
    return b"\x81\x7f" + length.to_bytes(8, "big") + payload
