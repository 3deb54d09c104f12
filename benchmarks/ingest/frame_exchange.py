"""An exchange that does nothing but send: frames made beforehand, as fast as they are read, or fresh ones at a pace.

`python -m benchmarks.ingest.frame_exchange --frames N --symbols A,B [--rate R]`, a process of its own, so that it costs
the measured one nothing. Prints its port. Not the simulator: that one spends more on a frame than the gateway does.
"""

import argparse
import asyncio
import struct
import time

from aiohttp import web

UNREAD_BYTES = 4 * 1024 * 1024
CHUNK_FRAMES = 400
FIRST_ID = 1_000_000
PACE_SECONDS = 0.002


def wire_frame(symbol: str, agg_id: int, now_us: int) -> bytes:
    """A combined frame in its WebSocket framing, some 220 bytes as real ones."""
    text = (
        f'{{"stream":"{symbol.lower()}@aggTrade","data":{{"e":"aggTrade","E":{now_us},"s":"{symbol}","a":{agg_id},'
        f'"p":"97900.88000000","q":"0.00208000","f":{4_216_590_360 + agg_id},"l":{4_216_590_361 + agg_id},'
        f'"T":{now_us},"m":true,"M":true}}}}'
    ).encode()
    return struct.pack("!BBH", 0x81, 126, len(text)) + text


class FrameExchange:
    """Each connection gets the same frames from the first on."""

    def __init__(self, frames: int, symbols: list[str], rate: float) -> None:
        self._symbols = symbols
        self._frames = frames
        self._rate = rate
        made = [] if rate else [self._frame(number, time.time_ns() // 1_000) for number in range(frames)]
        self._chunks = [b"".join(made[start : start + CHUNK_FRAMES]) for start in range(0, len(made), CHUNK_FRAMES)]

    def _frame(self, number: int, now_us: int) -> bytes:
        turn, place = divmod(number, len(self._symbols))
        return wire_frame(self._symbols[place], FIRST_ID + turn, now_us)

    def application(self) -> web.Application:
        """REST as far as a start needs it, and the stream."""
        application = web.Application()
        application.router.add_get("/api/v3/time", self._time)
        application.router.add_get("/api/v3/exchangeInfo", self._exchange_info)
        application.router.add_get("/stream", self._stream)
        return application

    async def _time(self, _request: web.Request) -> web.Response:
        return web.json_response({"serverTime": time.time_ns() // 1_000})

    async def _exchange_info(self, _request: web.Request) -> web.Response:
        return web.json_response({"symbols": [{"symbol": symbol, "status": "TRADING"} for symbol in self._symbols]})

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        transport = request.transport
        assert isinstance(transport, asyncio.Transport)
        sending = asyncio.create_task(self._send_paced(transport) if self._rate else self._send_made(transport))
        async for _ in socket:
            pass  # until the client closes
        sending.cancel()
        return socket

    async def _send_made(self, transport: asyncio.Transport) -> None:
        for chunk in self._chunks:
            transport.write(chunk)
            while transport.get_write_buffer_size() > UNREAD_BYTES:
                await asyncio.sleep(0.001)

    async def _send_paced(self, transport: asyncio.Transport) -> None:
        started, sent = time.monotonic(), 0
        while sent < self._frames:
            due = min(int((time.monotonic() - started) * self._rate), self._frames)
            now_us = time.time_ns() // 1_000
            transport.write(b"".join(self._frame(number, now_us) for number in range(sent, due)))
            sent = due
            await asyncio.sleep(PACE_SECONDS)


async def _serve(exchange: FrameExchange) -> None:
    runner = web.AppRunner(exchange.application(), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, required=True)
    parser.add_argument("--symbols", required=True)
    parser.add_argument("--rate", type=float, default=0, help="frames a second; 0: as fast as they are read")
    options = parser.parse_args()
    asyncio.run(_serve(FrameExchange(options.frames, options.symbols.split(","), options.rate)))


if __name__ == "__main__":
    main()
