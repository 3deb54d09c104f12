"""Paths under `/admin` that make things go wrong: `fault` for all kinds, `scripts`, and short forms for by hand."""

import msgspec
from aiohttp import web

from firehose_dagster.simulator.fault_board import FaultBoard, Outcome, UnknownSymbolError
from firehose_dagster.simulator.fault_kinds import Abort, AnyFault, Close, Mute, Skip
from firehose_dagster.simulator.fault_script import TimedFault, fault_script
from firehose_dagster.simulator.query_parameters import symbols, whole_number
from firehose_dagster.simulator.script_player import ScriptPlayer

_fault = msgspec.json.Decoder(AnyFault)
_script = msgspec.json.Decoder(list[TimedFault])


class FaultEndpoint:
    """No authentication, as of all of `/admin`. What cannot be carried out is answered 400 with the reason."""

    def __init__(self, board: FaultBoard, player: ScriptPlayer) -> None:
        self._board = board
        self._player = player

    def add_to(self, app: web.Application) -> None:
        """Register the paths."""
        app.router.add_post("/admin/fault", self._make)
        app.router.add_post("/admin/calm", self._calm)
        app.router.add_post("/admin/scripts", self._start_script)
        app.router.add_get("/admin/scripts", self._scripts)
        app.router.add_post("/admin/disconnect", self._disconnect)
        app.router.add_post("/admin/skip", self._skip)
        app.router.add_post("/admin/mute", self._mute)

    async def _make(self, request: web.Request) -> web.Response:
        """The body is a fault, see `fault_kinds`; the answer is what it did at once."""
        return web.json_response(await self._apply(_fault, await request.read()))

    async def _calm(self, request: web.Request) -> web.Response:
        """Disarm what is still to come, of `?symbols=` or of all."""
        self._board.calm(symbols(request))
        return web.json_response(self._board.status())

    async def _start_script(self, request: web.Request) -> web.Response:
        """The body is a list of `{"at_seconds":..,"fault":{..}}`; or none, then `?seed=&symbols=A,B[&seconds=]`."""
        body = await request.read()
        try:
            script = _script.decode(body) if body else _seeded(request)
            number = self._player.start(script)
        except (msgspec.DecodeError, UnknownSymbolError) as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return web.json_response({"number": number, "script": msgspec.to_builtins(script)})

    async def _scripts(self, _request: web.Request) -> web.Response:
        return web.json_response(self._player.status())

    async def _disconnect(self, request: web.Request) -> web.Response:
        """Drop the connections: with `?code=` by a closing handshake, else abruptly; `?symbols=` to choose."""
        fault: AnyFault = Abort(symbols=symbols(request))
        if "code" in request.query:
            fault = Close(symbols=symbols(request), code=whole_number(request, "code"))
        outcome = await self._carry_out(fault)
        return web.json_response({"disconnected": outcome["connections"]})

    async def _skip(self, request: web.Request) -> web.Response:
        """Keep `?symbol=`'s next `&count=` trades from the WebSocket clients."""
        await self._carry_out(Skip(symbols=(request.query.get("symbol", ""),), count=whole_number(request, "count")))
        return web.json_response(self._board.status())

    async def _mute(self, request: web.Request) -> web.Response:
        """Send no data for `?seconds=`; 0 ends it."""
        await self._carry_out(Mute(symbols=symbols(request), seconds=whole_number(request, "seconds")))
        return web.json_response(self._board.status())

    async def _apply(self, decoder: "msgspec.json.Decoder[AnyFault]", body: bytes) -> Outcome:
        try:
            fault = decoder.decode(body)
        except msgspec.DecodeError as error:
            raise web.HTTPBadRequest(text=str(error)) from error
        return await self._carry_out(fault)

    async def _carry_out(self, fault: AnyFault) -> Outcome:
        try:
            return await self._board.apply(fault)
        except UnknownSymbolError as error:
            raise web.HTTPBadRequest(text=str(error)) from error


def _seeded(request: web.Request) -> list[TimedFault]:
    named = symbols(request)
    if not named:
        raise web.HTTPBadRequest(text="symbols: name those that the script is about, comma separated")
    return list(fault_script(whole_number(request, "seed"), named, whole_number(request, "seconds", 30)))
