"""What is to go wrong with REST answers."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from firehose_dagster.simulator.fault_kinds import RestFault

_US_PER_SECOND = 1_000_000
AGG_TRADES = "aggTrades"


@dataclass(slots=True)
class _Armed:
    fault: RestFault
    left: int
    until_us: int | None

    def spent(self, now_us: int) -> bool:
        return self.left <= 0 if self.until_us is None else now_us >= self.until_us


class RestFaults:
    """Faults in the order they were set; of each kind the first that fits happens to a request."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self._armed: list[_Armed] = []

    def set(self, fault: RestFault) -> None:
        """Have it happen from now on. `count` 1 to n of fitting requests, or all for `seconds`."""
        until_us = None if fault.seconds is None else self._now_us() + round(fault.seconds * _US_PER_SECOND)
        self._armed.append(_Armed(fault, fault.count, until_us))

    def calm(self, symbols: Collection[str]) -> None:
        """Disarm the faults that are about these symbols alone, or about all requests."""
        self._armed = [armed for armed in self._armed if not set(armed.fault.symbols) <= set(symbols)]

    def of_request(self, name: str, symbol: str) -> list[RestFault]:
        """What happens to a request of `/api/v3/<name>` for this symbol, at most one fault of each kind."""
        now_us = self._now_us()
        self._armed = [armed for armed in self._armed if not armed.spent(now_us)]
        happening: dict[str, RestFault] = {}
        for armed in self._armed:
            fault = armed.fault
            fits = not fault.symbols or (name == AGG_TRADES and symbol in fault.symbols)
            if fits and fault.kind not in happening:
                happening[fault.kind] = fault
                armed.left -= 1
        return list(happening.values())

    def status(self) -> list[dict[str, object]]:
        """For the admin endpoint: what is still to come."""
        now_us = self._now_us()
        return [
            {"kind": armed.fault.kind, "symbols": list(armed.fault.symbols), "requests_left": armed.left}
            if armed.until_us is None
            else {
                "kind": armed.fault.kind,
                "symbols": list(armed.fault.symbols),
                "seconds_left": (armed.until_us - now_us) / _US_PER_SECOND,
            }
            for armed in self._armed
            if not armed.spent(now_us)
        ]
