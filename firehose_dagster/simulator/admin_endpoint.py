"""Paths under `/admin` that tell what the exchange has and did, and `inject`."""

import asyncio

from aiohttp import web

from firehose_dagster.simulator.fault_board import FaultBoard
from firehose_dagster.simulator.holed_source import HoledSource
from firehose_dagster.simulator.publisher import Publisher, utc_now_us
from firehose_dagster.simulator.query_parameters import symbols, whole_number
from firehose_dagster.simulator.trade import rest_text
from firehose_dagster.simulator.violations import Violations
from firehose_dagster.simulator.websocket_endpoint import WebSocketEndpoint
from firehose_dagster.simulator.weights import Weights

MOST_TRADES = 100_000


class AdminEndpoint:
    """No authentication: the exchange is for one machine and listens on loopback unless told otherwise."""

    def __init__(
        self,
        source: HoledSource,
        publisher: Publisher,
        board: FaultBoard,
        sockets: WebSocketEndpoint,
        weights: Weights,
        violations: Violations,
    ) -> None:
        self._source = source
        self._publisher = publisher
        self._board = board
        self._sockets = sockets
        self._weights = weights
        self._violations = violations

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        app.router.add_get("/admin/status", self._status)
        app.router.add_get("/admin/oracle", self._oracle)
        app.router.add_get("/admin/trades", self._trades)
        app.router.add_post("/admin/inject", self._inject)

    async def _status(self, _request: web.Request) -> web.Response:
        """Source, symbols with the ids due so far, what was sent, asked for and violated, and faults to come."""
        by_symbol: dict[str, object] = {}
        now_us = utc_now_us()
        for symbol in self._source.symbols:
            ids = await asyncio.to_thread(self._source.due_ids, symbol, now_us)
            first_id, last_id = ids if ids else (None, None)
            by_symbol[symbol] = {"first_id": first_id, "last_id": last_id}
        return web.json_response(
            {
                "source": self._source.description,
                "symbols": by_symbol,
                "frames_sent": self._publisher.sent_frames,
                "clients": len(self._publisher.clients),
                "streams_by_client": [len(client.streams) for client in self._publisher.clients],
                "finished": self._publisher.finished,
                "connection_attempts": self._sockets.attempts,
                "rest_requests": self._weights.requests,
                "highest_weight": self._weights.highest,
                "violations": self._violations.as_json(),
                "faults": self._board.status(),
            }
        )

    async def _oracle(self, request: web.Request) -> web.Response:
        """Of each symbol, or those of `?symbols=`: what a client that missed nothing holds.

        `first_sent_id`: of the first trade ever handed to a client. `last_id`: the highest that is due and exists.
        `holes`: first and last id of each true hole; every other id between the two exists.
        """
        wanted = symbols(request)
        now_us = utc_now_us()
        known = {}
        for symbol in wanted or self._source.symbols:
            ids = await asyncio.to_thread(self._source.due_ids, symbol, now_us) if self._trades_here(symbol) else None
            known[symbol] = {
                "first_sent_id": self._publisher.first_sent_id(symbol),
                "last_id": ids[1] if ids else None,
                "holes": self._source.holes(symbol),
            }
        return web.json_response(known)

    async def _trades(self, request: web.Request) -> web.Response:
        """As aggTrades by id in microseconds, up to 100,000, whatever faults and limits there are."""
        symbol = request.query.get("symbol", "")
        if not self._trades_here(symbol):
            raise web.HTTPBadRequest(text=f"symbol={symbol!r} does not trade here")
        from_id, limit = whole_number(request, "fromId", 0), whole_number(request, "limit", MOST_TRADES)
        trades = await asyncio.to_thread(
            self._source.trades_from, symbol, from_id, min(limit, MOST_TRADES), utc_now_us()
        )
        body = f"[{','.join(rest_text(trade, microseconds=True) for trade in trades)}]"
        return web.Response(text=body, content_type="application/json")

    async def _inject(self, request: web.Request) -> web.Response:
        """Send the body, as it is, as one text frame to every client that has a subscription."""
        payload = await request.read()
        clients = [client for client in self._publisher.clients if client.streams and not client.closed]
        for client in clients:
            client.send_bytes(payload)
        return web.json_response({"sent_to": len(clients)})

    def _trades_here(self, symbol: str) -> bool:
        return symbol in self._source.symbols
