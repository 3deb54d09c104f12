"""The REST calls that the gateway needs, all within one budget of weight."""

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

import httpx
import msgspec

from firehose_dagster.binance.frames import RestTrade, decode_rest_trades, to_microseconds
from firehose_dagster.binance.limits import (
    AGG_TRADES_PAGE_LIMIT,
    AGG_TRADES_WEIGHT,
    EXCHANGE_INFO_WEIGHT,
    FORBIDDEN_STATUS,
    SERVER_TIME_WEIGHT,
    TIME_UNIT,
    TIME_UNIT_HEADER,
    USED_WEIGHT_HEADER,
)
from firehose_dagster.binance.request_weight import WeightBudget

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
"""A gateway that stops waits for the answers that are under way, and has its last records to flush after that."""
LONGEST_WAIT_SECONDS = 1.0
"""A wait for weight is looked at again this often, so that a stop is noticed."""
NOT_FOUND_STATUS = 404


class ExchangeUnavailableError(Exception):
    """The exchange gave no usable answer; asking again later may help. `retry_after_seconds`: it said when."""

    def __init__(self, message: str, retry_after_seconds: float | None = None) -> None:
        self.retry_after_seconds = retry_after_seconds
        super().__init__(message)


class ExchangeRefusedError(Exception):
    """The exchange refused this request and will refuse it again, such as a symbol that it delisted."""

    def __init__(self, message: str, status: int) -> None:
        self.status = status
        super().__init__(message)


class _Symbol(msgspec.Struct, frozen=True):
    symbol: str
    status: str


class _ExchangeInfo(msgspec.Struct, frozen=True):
    symbols: list[_Symbol]


class _ServerTime(msgspec.Struct, frozen=True, rename="camel"):
    server_time: int


class ExchangeRest:
    """A client of one exchange, safe for threads. Every call waits until its weight is within the budget.

    Every call raises ExchangeUnavailableError where there is no usable answer, or where `halt` was set meanwhile.
    """

    def __init__(
        self,
        base_url: str,
        budget: WeightBudget,
        halt: threading.Event,
        *,
        transport: httpx.BaseTransport | None = None,
        epoch_seconds: Callable[[], float] = time.time,
        steady_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._budget = budget
        self._budget_lock = threading.Lock()
        self._halt = halt
        self._epoch_seconds = epoch_seconds
        self._steady_seconds = steady_seconds
        self._client = httpx.Client(
            base_url=self.base_url, timeout=TIMEOUT, headers={TIME_UNIT_HEADER: TIME_UNIT}, transport=transport
        )
        self.calls = 0

    def symbol_statuses(self) -> dict[str, str]:
        """All symbols and their status, such as TRADING or BREAK."""
        body = self._get("/api/v3/exchangeInfo", EXCHANGE_INFO_WEIGHT)
        try:
            info = msgspec.json.decode(body, type=_ExchangeInfo)
        except msgspec.DecodeError as error:
            raise ExchangeUnavailableError(
                f"{self.base_url}/api/v3/exchangeInfo gave an unknown answer: {error}"
            ) from error
        return {entry.symbol: entry.status for entry in info.symbols}

    def server_time_us(self) -> int | None:
        """The exchange's clock in epoch microseconds; None where it does not tell it."""
        try:
            body = self._get("/api/v3/time", SERVER_TIME_WEIGHT)
            return to_microseconds(msgspec.json.decode(body, type=_ServerTime).server_time)
        except ExchangeRefusedError as error:
            if error.status == NOT_FOUND_STATUS:
                return None
            raise
        except msgspec.DecodeError as error:
            raise ExchangeUnavailableError(f"{self.base_url}/api/v3/time gave an unknown answer: {error}") from error

    def agg_trades(self, symbol: str, from_id: int) -> list[RestTrade]:
        """Up to 1,000 trades with an id of at least `from_id`, ascending. Raises ExchangeRefusedError too."""
        query: dict[str, str | int] = {"symbol": symbol, "fromId": from_id, "limit": AGG_TRADES_PAGE_LIMIT}
        body = self._get("/api/v3/aggTrades", AGG_TRADES_WEIGHT, query)
        try:
            return decode_rest_trades(body)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise ExchangeUnavailableError(
                f"{self.base_url}/api/v3/aggTrades gave an unknown answer for {symbol} from id {from_id}: {error}"
            ) from error

    @property
    def highest_weight_used(self) -> int:
        """The most weight that was used in a minute, by the exchange's account or ours."""
        return self._budget.highest_used

    def _get(self, path: str, weight: int, query: dict[str, str | int] | None = None) -> bytes:
        self._wait_for_weight(path, weight)
        try:
            response = self._client.get(path, params=query)
        except httpx.HTTPError as error:
            raise ExchangeUnavailableError(
                f"{self.base_url}{path} cannot be reached: {error or type(error).__name__}"
            ) from error
        used_weight = response.headers.get(USED_WEIGHT_HEADER, "")
        with self._budget_lock:
            if used_weight.isdigit():
                self._budget.note_used(self._epoch_seconds(), int(used_weight))
            wait = self._budget.note_status(
                response.status_code, _retry_after_seconds(response), steady=self._steady_seconds()
            )
        if response.is_success:
            return response.content
        # In one line, for it goes to the log; a firewall answers with a page.
        said = " ".join(response.text.split())[:200]
        message = f"{self.base_url}{path} answered {response.status_code}: {said}"
        if response.is_client_error and wait is None:
            raise ExchangeRefusedError(message, response.status_code)
        if response.status_code == FORBIDDEN_STATUS:
            message += " (its firewall refuses this address)"
        raise ExchangeUnavailableError(message, wait)

    def _wait_for_weight(self, path: str, weight: int) -> None:
        while True:
            with self._budget_lock:
                seconds = self._budget.wait_seconds(self._epoch_seconds(), weight, steady=self._steady_seconds())
                if seconds <= 0:
                    self.calls += 1
                    return
            if self._halt.wait(min(seconds, LONGEST_WAIT_SECONDS)):
                raise ExchangeUnavailableError(f"{self.base_url}{path} was not asked: the gateway stops", seconds)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _retry_after_seconds(response: httpx.Response) -> float | None:
    header = response.headers.get("Retry-After", "")
    return float(header) if header.isdigit() else None
