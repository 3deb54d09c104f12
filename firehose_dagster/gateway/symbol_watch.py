"""Which symbols of one connection are silent far beyond their usual rate. Pure: the clock is the caller's."""

from collections.abc import Callable, Mapping, Sequence

from firehose_dagster.gateway.silence import SYMBOL_TOLERANCE, SilenceWatch

LOOK_EVERY_SECONDS = 5.0
MAX_DUE_PER_LOOK = 25
"""Each is a REST request of weight 4: at most 1,200 of the 6,000 a minute."""


class SymbolWatch:
    """One watch a symbol, by its ids: they count its trades. Not safe for threads."""

    def __init__(self, symbols: Sequence[str], now: float) -> None:
        self._watches = {symbol: SilenceWatch(SYMBOL_TOLERANCE, now) for symbol in symbols}
        self._look_at = now

    def restart(self, now: float) -> None:
        """All were connected anew, after a time in which they may have traded."""
        for watch in self._watches.values():
            watch.restart(now)
            watch.be_impatient()

    def due(
        self,
        now: float,
        positions: Callable[[], Mapping[str, int]],
        last_known: Callable[[str], int | None],
    ) -> list[tuple[str, int]]:
        """Symbols to ask the exchange about and the last id known of each; each again after twice the time.

        `positions` gives the ids that this connection delivered; `last_known` what is known of a symbol otherwise. A
        symbol of which nothing is known is not asked about: it begins at its first trade.
        """
        if now < self._look_at:
            return []
        self._look_at = now + LOOK_EVERY_SECONDS
        delivered = positions()
        silent: list[tuple[float, str, int]] = []
        for symbol, watch in self._watches.items():
            position = delivered.get(symbol)
            if position is not None:
                watch.note(position, now)
            if watch.is_too_long(now):
                position = last_known(symbol) if position is None else position
                if position is not None:
                    silent.append((watch.silent_since, symbol, position))
        found = [(symbol, position) for _, symbol, position in sorted(silent)[:MAX_DUE_PER_LOOK]]
        for symbol, _ in found:
            self._watches[symbol].be_patient(now)
        return found
