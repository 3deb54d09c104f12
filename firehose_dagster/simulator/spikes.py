"""The spikes induced in the synthetic market.

Each minute one symbol, in turn, trades larger and jumps in price from some second on. A symbol that spiked every few
minutes would have no calm to stand out from, so its spikes are strong at most once in ten minutes and mild between.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from firehose_dagster.simulator.deterministic import hash64

CALM_MINUTES = 10
"""Between two strong spikes of one symbol, at least."""


@dataclass(frozen=True, slots=True)
class Spike:
    """What happens to one symbol in one minute, from second `from_second` on."""

    from_second: int
    qty_factor: int
    price_jump: float
    """As a fraction of the price; it decays by `decay_per_second` within the minute."""
    decay_per_second: float = 0.92

    @property
    def is_strong(self) -> bool:
        """Meant to be found by anyone who looks for spikes."""
        return self.qty_factor >= 20


class SpikePlan:
    """Which symbol spikes in which minute, a function of seed, symbols and minute."""

    def __init__(self, seed: int, symbols: Sequence[str]) -> None:
        self._seed = seed
        self._place_by_symbol = {symbol: place for place, symbol in enumerate(symbols)}
        self._rounds = -(-CALM_MINUTES // len(symbols))

    def spike(self, symbol: str, minute: int) -> Spike | None:
        """The symbol's spike in the minute, if it is its turn."""
        turn, place = divmod(minute, len(self._place_by_symbol))
        if place != self._place_by_symbol[symbol]:
            return None
        bits = hash64(self._seed, symbol, "spike", minute)
        from_second = 5 + bits % 16
        direction = 1.0 if bits >> 32 & 1 else -1.0
        if (turn + place) % self._rounds == 0:
            return Spike(from_second, qty_factor=30, price_jump=0.015 * direction)
        return Spike(from_second, qty_factor=3, price_jump=0.0015 * direction)
