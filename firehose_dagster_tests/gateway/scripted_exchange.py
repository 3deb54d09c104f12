"""A Binance that sends exactly the frames a test wrote down: WebSocket and REST on one free port."""

import asyncio
import json
import threading
from collections import deque
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from aiohttp import WSMsgType, web

CLOSE = b"\0close"
"""In a script: the exchange closes the connection here."""
PINGS = b"\0pings"
"""In a script: thirty pings within a third of a second, with the payloads `0` to `29`."""


def trade(symbol: str, agg_id: int, **changes: Any) -> dict[str, Any]:
    """A trade's wire object, its figures derived from the id."""
    return {
        "e": "aggTrade", "E": 1_767_225_600_000_500 + agg_id, "s": symbol, "a": agg_id,
        "p": f"{100 + agg_id}.50000000",
        "q": "0.25000000", "f": agg_id * 2, "l": agg_id * 2 + 1, "T": 1_767_225_600_000_000 + agg_id,
        "m": agg_id % 2 == 0, "M": True, **changes,
    }  # fmt: skip


def frame(symbol: str, agg_id: int, **changes: Any) -> bytes:
    """A combined frame, as the exchange sends it."""
    return json.dumps({"stream": f"{symbol.lower()}@aggTrade", "data": trade(symbol, agg_id, **changes)}).encode()


class ScriptedExchange:
    """Each connection gets the next script; behind its last frame, or with no script left, it stays silent and open.

    `history` answers REST; `refusals` are given first, one a call. What was asked for is kept.
    """

    def __init__(self, scripts: Sequence[Sequence[bytes]], history: dict[str, list[int]] | None = None) -> None:
        self.statuses = {"BTCUSDT": "TRADING", "ETHUSDT": "TRADING", "OLDUSDT": "BREAK"}
        self.history = history or {}
        self.clock_us: Callable[[], int] | None = None
        """Where set, the exchange tells its time."""
        self.refusals: deque[tuple[int, dict[str, str]]] = deque()
        self.paths: list[str] = []
        self.messages: list[Any] = []
        self.headers: list[dict[str, str]] = []
        self.pages: list[tuple[str, int]] = []
        self.pongs: list[bytes] = []
        self._scripts = deque(scripts)
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    @property
    def ws_url(self) -> str:
        return f"ws://127.0.0.1:{self._port}"

    @property
    def rest_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._end.set)
        self._thread.join()
        self._loop.close()

    async def _serve(self) -> None:
        application = web.Application()
        application.router.add_get("/stream", self._stream)
        if self.clock_us is not None:
            application.router.add_get("/api/v3/time", self._time)
        application.router.add_get("/api/v3/exchangeInfo", self._exchange_info)
        application.router.add_get("/api/v3/aggTrades", self._agg_trades)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self._port = runner.addresses[0][1]
        self._ready.set()
        await self._end.wait()
        await runner.cleanup()

    async def _stream(self, request: web.Request) -> web.WebSocketResponse:
        self.paths.append(request.path_qs)
        socket = web.WebSocketResponse(autoping=False)
        await socket.prepare(request)
        await socket.ping(b"1767225600")
        for text in self._scripts.popleft() if self._scripts else ():
            if text == CLOSE:
                await socket.close(code=1001, message=b"maintenance")
                return socket
            if text == PINGS:
                for number in range(30):
                    await socket.ping(str(number).encode())
                    await asyncio.sleep(0.01)
                continue
            await socket.send_str(text.decode())
        async for message in socket:
            if message.type is WSMsgType.PONG:
                self.pongs.append(bytes(message.data))
            elif message.type is WSMsgType.TEXT:
                self.messages.append(json.loads(message.data))
        return socket

    async def _time(self, request: web.Request) -> web.Response:
        assert self.clock_us is not None
        return web.json_response({"serverTime": self.clock_us()})

    async def _exchange_info(self, request: web.Request) -> web.Response:
        symbols = [{"symbol": symbol, "status": status} for symbol, status in self.statuses.items()]
        return web.json_response({"timezone": "UTC", "symbols": symbols})

    async def _agg_trades(self, request: web.Request) -> web.Response:
        symbol, first = request.query["symbol"], int(request.query["fromId"])
        self.headers.append(dict(request.headers))
        self.pages.append((symbol, first))
        if self.refusals:
            status, headers = self.refusals.popleft()
            return web.json_response(
                {"code": -1003, "msg": "Too much request weight used"}, status=status, headers=headers
            )
        ids = [agg_id for agg_id in self.history.get(symbol, []) if agg_id >= first][: int(request.query["limit"])]
        rows = [trade(symbol, agg_id) for agg_id in ids]
        return web.json_response([{key: row[key] for key in "apqflTmM"} for row in rows])
