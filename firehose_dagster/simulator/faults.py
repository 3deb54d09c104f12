"""What is to go wrong between the market and the clients, set through the admin endpoint."""

from firehose_dagster.simulator.source import Event


class Faults:
    """Asked by the publisher for every event; each fault is one field and one line in `withholds`."""

    def __init__(self) -> None:
        self._trades_to_skip: dict[str, int] = {}
        self._muted_until_us = 0

    def skip(self, symbol: str, count: int) -> None:
        """The symbol's next `count` trades are not sent by WebSocket; REST has them."""
        self._trades_to_skip[symbol] = self._trades_to_skip.get(symbol, 0) + count

    def mute(self, until_us: int) -> None:
        """No data until then: the connections stay, pings go on, what is due meanwhile is not sent later."""
        self._muted_until_us = until_us

    def any(self, now_us: int) -> bool:
        """Whether `withholds` need be asked at all."""
        return bool(self._trades_to_skip) or now_us < self._muted_until_us

    def withholds(self, symbol: str, event: Event, now_us: int) -> bool:
        """Whether the event is kept from the clients."""
        if now_us < self._muted_until_us:
            return True
        left = self._trades_to_skip.get(symbol, 0)
        if event.trade is None or left == 0:
            return False
        if left == 1:
            del self._trades_to_skip[symbol]
        else:
            self._trades_to_skip[symbol] = left - 1
        return True

    def status(self, now_us: int) -> dict[str, object]:
        """For the admin endpoint."""
        return {
            "trades_to_skip": dict(self._trades_to_skip),
            "muted_seconds": max(0, self._muted_until_us - now_us) / 1_000_000,
        }
