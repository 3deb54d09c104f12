"""The exchange's REST paths under `/api/v3`."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import msgspec
from aiohttp import web

from firehose_dagster.simulator.fault_kinds import RestEmpty, RestSlow, RestStatus
from firehose_dagster.simulator.listing import assets
from firehose_dagster.simulator.publisher import utc_now_us
from firehose_dagster.simulator.rest_faults import AGG_TRADES, RestFaults
from firehose_dagster.simulator.source import Source
from firehose_dagster.simulator.trade import MICROSECONDS_BY_UNIT, Trade, in_unit, rest_text, to_us
from firehose_dagster.simulator.weights import BANNED, LIMITED, Weights

MAX_LIMIT = 1_000
DEFAULT_RETRY_AFTER_SECONDS = 60
"""Of a 429 or 418 made to order that does not say."""
_DEFAULT_LIMIT = 500
_NUMBER = re.compile(r"\d{1,20}", re.ASCII)
_FOREVER_US = 1 << 62

_Handler = Callable[[web.Request], Awaitable[bytes]]


class RestError(ValueError):
    """A request is refused with the exchange's code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class RestEndpoint:
    """Serves only trades that happened: those due by the source's own account."""

    def __init__(self, source: Source, weights: Weights, faults: RestFaults) -> None:
        self._source = source
        self._symbols = set(source.symbols)
        self._weights = weights
        self._faults = faults

    def add_to(self, app: web.Application) -> None:
        """Register the paths with their weights."""
        routes: tuple[tuple[str, int, _Handler], ...] = (
            (AGG_TRADES, 4, self._agg_trades),
            ("exchangeInfo", 20, self._exchange_info),
            ("time", 1, self._time),
            ("ping", 1, self._ping),
        )
        for name, weight, handler in routes:
            app.router.add_get(f"/api/v3/{name}", self._weighed(name, weight, handler))

    def _weighed(self, name: str, weight: int, handler: _Handler) -> Callable[[web.Request], Awaitable[web.Response]]:
        async def handle(request: web.Request) -> web.Response:
            address = request.remote or ""
            admission = self._weights.admit(address, weight)
            used = str(admission.used)
            headers = {"X-MBX-USED-WEIGHT": used, "X-MBX-USED-WEIGHT-1M": used}
            if admission.refused_status is not None:
                return _refused(admission.refused_status, admission.retry_after_seconds, headers)
            body: bytes | None = None
            for fault in self._faults.of_request(name, request.query.get("symbol", "")):
                if isinstance(fault, RestSlow):
                    await asyncio.sleep(fault.delay_seconds)
                elif isinstance(fault, RestStatus):
                    return self._faulty(fault, address, headers)
                elif isinstance(fault, RestEmpty) and name == AGG_TRADES:
                    body = b"[]"
            status = 200
            if body is None:
                try:
                    body = await handler(request)
                except RestError as error:
                    body, status = _error(error.code, str(error)), 400
            return web.Response(status=status, headers=headers, body=body, content_type="application/json")

        return handle

    def _faulty(self, fault: RestStatus, address: str, headers: dict[str, str]) -> web.Response:
        seconds = fault.retry_after_seconds
        if fault.status in (LIMITED, BANNED):
            seconds = seconds or DEFAULT_RETRY_AFTER_SECONDS
            self._weights.refuse(address, fault.status, seconds)
            return _refused(fault.status, seconds, headers)
        if seconds is not None:
            headers["Retry-After"] = str(seconds)
        # As from a proxy or firewall in front of the exchange: no JSON.
        return web.Response(status=fault.status, headers=headers, text="<html>fault</html>", content_type="text/html")

    async def _agg_trades(self, request: web.Request) -> bytes:
        symbol = request.query.get("symbol", "")
        if not symbol:
            raise RestError(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
        microseconds = _microseconds(request)
        from_id, limit = _number(request, "fromId"), _number(request, "limit")
        start, end = _number(request, "startTime"), _number(request, "endTime")
        if limit == 0:
            raise RestError(-1130, "Data sent for parameter 'limit' is not valid.")
        if from_id is not None and (start is not None or end is not None):
            raise RestError(-1128, "Combination of optional parameters invalid.")
        self._check(symbol)
        # Making a synthetic minute takes up to a second: not in the loop that sends frames.
        trades = await asyncio.to_thread(
            self._look_up, symbol, from_id, start, end, min(limit or _DEFAULT_LIMIT, MAX_LIMIT)
        )
        return f"[{','.join(rest_text(trade, microseconds) for trade in trades)}]".encode()

    def _look_up(self, symbol: str, from_id: int | None, start: int | None, end: int | None, limit: int) -> list[Trade]:
        now_us = utc_now_us()
        if from_id is not None:
            return self._source.trades_from(symbol, from_id, limit, now_us)
        # The end is inclusive, in the unit it was given in.
        end_us = _FOREVER_US if end is None else to_us(end + 1)
        if start is None:
            return self._source.latest_trades(symbol, end_us, limit, now_us)
        return self._source.trades_between(symbol, to_us(start), end_us, limit, now_us)

    async def _exchange_info(self, request: web.Request) -> bytes:
        symbols = list(self._source.symbols)
        if "symbol" in request.query and "symbols" in request.query:
            raise RestError(-1128, "Combination of optional parameters invalid.")
        if "symbol" in request.query:
            symbols = [request.query["symbol"]]
        elif "symbols" in request.query:
            try:
                symbols = msgspec.json.decode(request.query["symbols"], type=list[str])
            except msgspec.DecodeError as error:
                raise RestError(
                    -1100, "Illegal characters found in parameter 'symbols'; legal is a JSON list."
                ) from error
        for symbol in symbols:
            self._check(symbol)
        return msgspec.json.encode(
            {
                "timezone": "UTC",
                "serverTime": in_unit(utc_now_us(), _microseconds(request)),
                "rateLimits": [
                    {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6_000},
                    {"rateLimitType": "RAW_REQUESTS", "interval": "MINUTE", "intervalNum": 5, "limit": 61_000},
                ],
                "exchangeFilters": [],
                "symbols": [_listed(symbol) for symbol in symbols],
            }
        )

    async def _time(self, request: web.Request) -> bytes:
        return b'{"serverTime":%d}' % in_unit(utc_now_us(), _microseconds(request))

    async def _ping(self, _request: web.Request) -> bytes:
        return b"{}"

    def _check(self, symbol: str) -> None:
        if symbol not in self._symbols:
            raise RestError(-1121, "Invalid symbol.")


def _listed(symbol: str) -> dict[str, object]:
    base, quote = assets(symbol)
    return {
        "symbol": symbol,
        "status": "TRADING",
        "baseAsset": base,
        "baseAssetPrecision": 8,
        "quoteAsset": quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [],
        "permissions": ["SPOT"],
    }


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    if text is None:
        return None
    if not _NUMBER.fullmatch(text):
        raise RestError(-1100, f"Illegal characters found in parameter '{name}'; legal range is '^[0-9]{{1,20}}$'.")
    return int(text)


def _microseconds(request: web.Request) -> bool:
    unit = request.headers.get("X-MBX-TIME-UNIT", "MILLISECOND")
    if unit not in MICROSECONDS_BY_UNIT:
        raise RestError(-1194, "Invalid value for time unit; expected either MICROSECOND or MILLISECOND.")
    return MICROSECONDS_BY_UNIT[unit]


def _error(code: int, message: str) -> bytes:
    return msgspec.json.encode({"code": code, "msg": message})


def _refused(status: int, retry_after_seconds: int, headers: dict[str, str]) -> web.Response:
    message = (
        "Too much request weight used; please use WebSocket Streams for live updates."
        if status == LIMITED
        else f"Way too much request weight used; IP banned for {retry_after_seconds} s."
    )
    return web.Response(
        status=status,
        headers={**headers, "Retry-After": str(retry_after_seconds)},
        body=_error(-1003, message),
        content_type="application/json",
    )
