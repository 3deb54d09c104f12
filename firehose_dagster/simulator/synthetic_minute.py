"""All trades of one synthetic symbol in one minute, a pure function of seed, symbol and minute."""

from array import array
from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from random import Random

from firehose_dagster.simulator.deterministic import hash64, smooth_noise
from firehose_dagster.simulator.listing import SyntheticListing
from firehose_dagster.simulator.spikes import Spike
from firehose_dagster.simulator.trade import Trade
from firehose_dagster.simulator.trade_counts import MINUTE_US, start_us

_OCTAVES = ((3_600, 0.02), (600, 0.004), (60, 0.0006), (10, 0.0002))
"""Period in seconds and amplitude as a fraction of the price: a calm minute moves about 0.1 %."""
_SAME_MILLISECOND = 0.42
"""Share of trades that share the millisecond of another, about as recorded from the exchange."""
_HOT_SECONDS = 4
_IN_HOT_SECOND = 0.25
_UNITS = 100_000_000


@dataclass(frozen=True, slots=True)
class SyntheticMinute:
    """The minute's trades in order of id and time, as columns; prices and quantities in 1e-8."""

    first_id: int
    times_us: "array[int]"
    price_units: "array[int]"
    qty_units: "array[int]"
    buyer_is_maker: bytes

    def __len__(self) -> int:
        return len(self.times_us)

    def trades(self, start: int, end: int) -> list[Trade]:
        """The trades at the places `start` up to but without `end`."""
        return [
            Trade(
                self.first_id + place,
                _decimal_text(self.price_units[place]),
                _decimal_text(self.qty_units[place]),
                _first_trade_id(self.first_id + place),
                _first_trade_id(self.first_id + place + 1) - 1,
                self.times_us[place],
                self.buyer_is_maker[place] == 1,
            )
            for place in range(start, end)
        ]


def synthetic_minute(
    seed: int, listing: SyntheticListing, minute: int, first_id: int, count: int, spike: Spike | None
) -> SyntheticMinute:
    """Deterministic on every machine: of the random generator only `random()` is used, whose sequence is promised."""
    random = Random(hash64(seed, listing.symbol, "minute", minute)).random  # noqa: S311 - a market, not a secret
    levels = _levels(seed, listing, minute, spike)
    tick, lot = listing.tick_units, listing.lot_units
    spike_from_us = (spike.from_second if spike else 60) * 1_000_000
    begin_us = start_us(minute)
    times_us, prices, quantities = array("q"), array("q"), array("q")
    makers = bytearray()
    wobble = 0.0
    for offset_us in _offsets(random, count):
        second, within = divmod(offset_us, 1_000_000)
        level = levels[second] + (levels[second + 1] - levels[second]) * (within / 1_000_000)
        wobble = 0.97 * wobble + 1.2 * (random() - 0.5)
        is_buyer_maker = random() < 0.5
        ticks = int(level / tick + wobble + (0.0 if is_buyer_maker else 1.0))
        # The inverse square root of a uniform number has a Pareto tail: mean 2, infinite variance, here cut at 100.
        size = listing.typical_lots / 2.0 / sqrt(random() + 0.0001)
        if spike and offset_us >= spike_from_us:
            size *= spike.qty_factor
        times_us.append(begin_us + offset_us)
        prices.append(max(1, ticks) * tick)
        quantities.append(max(1, int(size)) * lot)
        makers.append(is_buyer_maker)
    return SyntheticMinute(first_id, times_us, prices, quantities, bytes(makers))


def _offsets(random: Callable[[], float], count: int) -> list[int]:
    """Sorted microseconds within the minute: some in bursts of one millisecond, more in a few hot seconds."""
    hot = [int(random() * 60) * 1_000_000 for _ in range(_HOT_SECONDS)]
    offsets: list[int] = []
    offset = 0
    for place in range(count):
        choice = random()
        if place and choice < _SAME_MILLISECOND:
            offset = offset - offset % 1_000 + int(random() * 1_000)
        elif choice < _SAME_MILLISECOND + _IN_HOT_SECOND:
            offset = hot[int(random() * _HOT_SECONDS)] + int(random() * 1_000_000)
        else:
            offset = int(random() * MINUTE_US)
        offsets.append(offset)
    offsets.sort()
    return offsets


def _levels(seed: int, listing: SyntheticListing, minute: int, spike: Spike | None) -> list[float]:
    """The price at each second of the minute and at its end, in units of 1e-8."""
    levels: list[float] = []
    bump = 0.0
    for second in range(61):
        at = minute * 60 + second
        move = sum(
            amplitude * smooth_noise(seed, f"{listing.symbol}/{period}", at / period) for period, amplitude in _OCTAVES
        )
        if spike and second > spike.from_second:
            bump = spike.price_jump if second == spike.from_second + 1 else bump * spike.decay_per_second
        levels.append(listing.price * _UNITS * (1.0 + move) * (1.0 + bump))
    return levels


def _first_trade_id(agg_id: int) -> int:
    """One to three trades make an aggregate; each begins where the one before ended."""
    return 2 * agg_id + (agg_id * 0x9E3779B97F4A7C15 >> 40 & 1)


def _decimal_text(units: int) -> str:
    return f"{units // _UNITS}.{units % _UNITS:08d}"
