"""Paths under `/admin`, for tests and demos: what the exchange has done, and what is to go wrong."""

import asyncio

from aiohttp import web

from firehose_dagster.simulator.faults import Faults
from firehose_dagster.simulator.publisher import Publisher, utc_now_us
from firehose_dagster.simulator.source import Source


class AdminEndpoint:
    """No authentication: the exchange is for one machine and listens on loopback unless told otherwise."""

    def __init__(self, source: Source, publisher: Publisher, faults: Faults) -> None:
        self._source = source
        self._publisher = publisher
        self._faults = faults

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        app.router.add_get("/admin/status", self._status)
        app.router.add_post("/admin/disconnect", self._disconnect)
        app.router.add_post("/admin/inject", self._inject)
        app.router.add_post("/admin/skip", self._skip)
        app.router.add_post("/admin/mute", self._mute)

    async def _status(self, _request: web.Request) -> web.Response:
        """Source, symbols with the ids due so far, frames sent, clients, and whether a finite source has finished."""
        now_us = utc_now_us()
        symbols: dict[str, object] = {}
        for symbol in self._source.symbols:
            ids = await asyncio.to_thread(self._source.due_ids, symbol, now_us)
            first_id, last_id = ids if ids else (None, None)
            symbols[symbol] = {"first_id": first_id, "last_id": last_id}
        return web.json_response(
            {
                "source": self._source.description,
                "symbols": symbols,
                "frames_sent": self._publisher.sent_frames,
                "clients": len(self._publisher.clients),
                "finished": self._publisher.finished,
                "faults": self._faults.status(now_us),
            }
        )

    async def _disconnect(self, request: web.Request) -> web.Response:
        """Drop all WebSocket connections: with `?code=` by a closing handshake, else abruptly."""
        clients = tuple(self._publisher.clients)
        code = _number(request, "code") if "code" in request.query else None
        if code is None:
            for client in clients:
                client.abort()
        else:
            await asyncio.gather(*(client.close(code) for client in clients))
        return web.json_response({"disconnected": len(clients)})

    async def _inject(self, request: web.Request) -> web.Response:
        """Send the body, as it is, as one text frame to every client that has a subscription."""
        text = await request.text()
        clients = [client for client in self._publisher.clients if client.streams and not client.closed]
        for client in clients:
            client.send_raw(text)
        return web.json_response({"sent_to": len(clients)})

    async def _skip(self, request: web.Request) -> web.Response:
        """Keep `?symbol=`'s next `&count=` trades from the WebSocket clients."""
        symbol = request.query.get("symbol", "")
        if symbol not in self._source.symbols:
            raise web.HTTPBadRequest(text=f"symbol={symbol!r} does not trade here")
        self._faults.skip(symbol, _number(request, "count"))
        return web.json_response(self._faults.status(utc_now_us()))

    async def _mute(self, request: web.Request) -> web.Response:
        """Send no data for `?seconds=`; 0 ends it."""
        self._faults.mute(utc_now_us() + _number(request, "seconds") * 1_000_000)
        return web.json_response(self._faults.status(utc_now_us()))


def _number(request: web.Request, name: str) -> int:
    text = request.query.get(name, "")
    if not (text.isascii() and text.isdigit()):
        raise web.HTTPBadRequest(text=f"{name}={text!r}: a whole number from 0 is needed")
    return int(text)
