"""The two REST calls the gateway needs: which symbols trade, and a page of aggregate trades by id."""

from types import TracebackType
from typing import Self

import httpx
import msgspec

from firehose_dagster.binance.frames import to_microseconds
from firehose_dagster.binance.limits import (
    AGG_TRADES_PAGE_LIMIT,
    BANNED_STATUS,
    RATE_LIMITED_STATUS,
    REQUEST_WEIGHT_PER_MINUTE,
    TIME_UNIT,
    TIME_UNIT_HEADER,
    USED_WEIGHT_HEADER,
)

TIMEOUT = httpx.Timeout(30.0, connect=5.0)
DEFAULT_RETRY_AFTER_SECONDS = 60.0
WEIGHT_RESERVE = 0.2
"""Share of the minute's weight left to others who use the same address."""


class ExchangeUnavailableError(Exception):
    """The exchange gave no usable answer; asking again later may help. `retry_after_seconds`: it said when."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class ExchangeRefusedError(Exception):
    """The exchange refused this request and will refuse it again, such as a symbol that it delisted."""


class RestTrade(msgspec.Struct, frozen=True, gc=False, rename={
    "agg_id": "a", "price": "p", "qty": "q", "first_trade_id": "f", "last_trade_id": "l", "trade_time": "T",
    "is_buyer_maker": "m",
}):  # fmt: skip
    """One row of `GET /api/v3/aggTrades`; the body names no symbol and no event time. Times in epoch microseconds."""

    agg_id: int
    price: str
    qty: str
    first_trade_id: int
    last_trade_id: int
    trade_time: int
    is_buyer_maker: bool


class _Symbol(msgspec.Struct, frozen=True):
    symbol: str
    status: str


class _ExchangeInfo(msgspec.Struct, frozen=True):
    symbols: list[_Symbol]


class ExchangeRest:
    """A client of one exchange. Every call raises ExchangeUnavailableError where there is no usable answer."""

    def __init__(self, base_url: str, *, transport: httpx.BaseTransport | None = None) -> None:
        self.base_url = base_url.rstrip("/")
        self._client = httpx.Client(
            base_url=self.base_url, timeout=TIMEOUT, headers={TIME_UNIT_HEADER: TIME_UNIT}, transport=transport
        )
        self.is_near_weight_limit = False
        """The last answer said that this minute's weight is nearly used up."""

    def symbol_statuses(self) -> dict[str, str]:
        """All symbols and their status, such as TRADING or BREAK."""
        body = self._get("/api/v3/exchangeInfo", {})
        try:
            info = msgspec.json.decode(body, type=_ExchangeInfo)
        except msgspec.DecodeError as error:
            raise ExchangeUnavailableError(
                f"{self.base_url}/api/v3/exchangeInfo gave an unknown answer: {error}"
            ) from error
        return {entry.symbol: entry.status for entry in info.symbols}

    def agg_trades(self, symbol: str, from_id: int) -> list[RestTrade]:
        """Up to 1,000 trades with an id of at least `from_id`, ascending. Raises ExchangeRefusedError too."""
        params: dict[str, str | int] = {"symbol": symbol, "fromId": from_id, "limit": AGG_TRADES_PAGE_LIMIT}
        body = self._get("/api/v3/aggTrades", params)
        try:
            trades = msgspec.json.decode(body, type=list[RestTrade])
        except msgspec.DecodeError as error:
            raise ExchangeUnavailableError(
                f"{self.base_url}/api/v3/aggTrades gave an unknown answer for {symbol} from id {from_id}: {error}"
            ) from error
        return sorted((_with_microseconds(trade) for trade in trades), key=lambda trade: trade.agg_id)

    def _get(self, path: str, params: dict[str, str | int]) -> bytes:
        try:
            response = self._client.get(path, params=params)
        except httpx.HTTPError as error:
            raise ExchangeUnavailableError(
                f"{self.base_url}{path} cannot be reached: {error or type(error).__name__}"
            ) from error
        used_weight = response.headers.get(USED_WEIGHT_HEADER, "")
        if used_weight.isdigit():
            self.is_near_weight_limit = int(used_weight) > REQUEST_WEIGHT_PER_MINUTE * (1 - WEIGHT_RESERVE)
        if response.is_success:
            return response.content
        message = f"{self.base_url}{path} answered {response.status_code}: {response.text[:200]}"
        if response.status_code in (RATE_LIMITED_STATUS, BANNED_STATUS):
            raise ExchangeUnavailableError(message, _retry_after_seconds(response.headers.get("Retry-After", "")))
        if response.is_client_error:
            raise ExchangeRefusedError(message)
        raise ExchangeUnavailableError(message)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _retry_after_seconds(header: str) -> float:
    return float(header) if header.isdigit() else DEFAULT_RETRY_AFTER_SECONDS


def _with_microseconds(trade: RestTrade) -> RestTrade:
    trade_time = to_microseconds(trade.trade_time)
    return trade if trade_time == trade.trade_time else msgspec.structs.replace(trade, trade_time=trade_time)
