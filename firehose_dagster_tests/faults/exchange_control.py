"""The simulator's admin paths: what exists, and making things go wrong."""

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import httpx
import msgspec

from firehose_dagster.simulator.fault_kinds import AnyFault
from firehose_dagster.simulator.fault_script import TimedFault
from firehose_dagster_tests.pipeline.recorded_trades import Trade

_PAGE = 50_000
_TIMEOUT_SECONDS = 60.0


class Known(msgspec.Struct, frozen=True):
    """What the exchange says of a symbol: first trade ever sent, highest id that exists, true holes."""

    first_sent_id: int | None
    last_id: int | None
    holes: tuple[tuple[int, int], ...]


class Happened(msgspec.Struct, frozen=True):
    """A fault of a script, with what it did at once."""

    at_seconds: float
    fault: AnyFault
    outcome: dict[str, Any]


class Played(msgspec.Struct, frozen=True):
    """How far a script is."""

    finished: bool
    faults: int
    happened: tuple[Happened, ...]


class ExchangeControl:
    """One exchange, by its base URL."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, timeout=_TIMEOUT_SECONDS)

    def known(self, symbols: Sequence[str]) -> dict[str, Known]:
        """By symbol."""
        body = self._client.get("/admin/oracle", params={"symbols": ",".join(symbols)}).raise_for_status().content
        return msgspec.json.decode(body, type=dict[str, Known])

    def trades(self, symbol: str, first_id: int, last_id: int) -> list[Trade]:
        """Every trade that exists from `first_id` to `last_id`."""
        found: list[Trade] = []
        while first_id <= last_id:
            query: dict[str, str | int] = {"symbol": symbol, "fromId": first_id, "limit": _PAGE}
            page = self._client.get("/admin/trades", params=query).raise_for_status().json()
            found += [_trade(symbol, row) for row in page if row["a"] <= last_id]
            first_id = page[-1]["a"] + 1 if len(page) == _PAGE else last_id + 1
        return found

    def make(self, fault: AnyFault) -> None:
        """Have it happen now."""
        self._client.post("/admin/fault", content=msgspec.json.encode(fault)).raise_for_status()

    def calm(self) -> None:
        """Disarm what is still to happen."""
        self._client.post("/admin/calm").raise_for_status()

    def held_back(self) -> int:
        """Trades that the exchange will send out of their turn."""
        held_back: int = self.status()["faults"]["trades_held_back"]
        return held_back

    def play(self, script: Sequence[TimedFault]) -> int:
        """Start the script; its number."""
        answer = self._client.post("/admin/scripts", content=msgspec.json.encode(script)).raise_for_status()
        number: int = answer.json()["number"]
        return number

    def played(self) -> list[Played]:
        """All scripts started, by number."""
        return msgspec.json.decode(self._client.get("/admin/scripts").raise_for_status().content, type=list[Played])

    def status(self) -> dict[str, Any]:
        """The exchange's account of itself."""
        status: dict[str, Any] = self._client.get("/admin/status").raise_for_status().json()
        return status

    def close(self) -> None:
        """Close the HTTP connections."""
        self._client.close()


def _trade(symbol: str, row: dict[str, Any]) -> Trade:
    return Trade(symbol, row["a"], Decimal(row["p"]), Decimal(row["q"]), row["f"], row["l"], row["T"], row["m"])
