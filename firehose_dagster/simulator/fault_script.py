"""Seeded scripts: which faults happen to some symbols, and when. A pure function of its arguments."""

from collections.abc import Callable, Sequence

import msgspec

from firehose_dagster.simulator.deterministic import hash64, unit
from firehose_dagster.simulator.fault_kinds import (
    Abort,
    AgeLimit,
    AnyFault,
    Close,
    Delay,
    Duplicate,
    Freeze,
    Hole,
    Malformed,
    Mute,
    Oversized,
    Reorder,
    RestEmpty,
    RestSlow,
    RestStatus,
    ServerShutdown,
    Skip,
)

FAULTS_A_SCRIPT = 6
LONGEST_DISTURBANCE_SECONDS = 6


class TimedFault(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A fault and when it happens, counted from the start of the script."""

    at_seconds: float
    fault: AnyFault


class _Draw:
    """Numbers for one fault of a script."""

    def __init__(self, seed: int, place: int, symbols: tuple[str, ...]) -> None:
        self._seed = seed
        self._place = place
        self.symbols = symbols
        self._drawn = 0

    def number(self, least: int, most: int) -> int:
        """Evenly from both, each time another."""
        self._drawn += 1
        return least + hash64(self._seed, "script", self._place, self._drawn) % (most - least + 1)

    @property
    def some(self) -> tuple[str, ...]:
        """One of the symbols or more, in their order; which one is surely among them changes from fault to fault."""
        surely = self._place % len(self.symbols)
        return tuple(symbol for place, symbol in enumerate(self.symbols) if place == surely or self.number(0, 1))


_CONNECTION_FAULTS: tuple[Callable[[_Draw], AnyFault], ...] = (
    lambda draw: Close(symbols=draw.symbols, code=(1000, 1001, 1008, 1011)[draw.number(0, 3)]),
    lambda draw: Abort(symbols=draw.symbols),
    lambda draw: Freeze(symbols=draw.symbols),
    lambda draw: ServerShutdown(
        symbols=draw.symbols, form="raw" if draw.number(0, 1) else "combined", grace_seconds=draw.number(1, 5)
    ),
    lambda draw: AgeLimit(symbols=draw.symbols, seconds=1),
)
_STREAM_FAULTS: tuple[Callable[[_Draw], AnyFault], ...] = (
    lambda draw: Mute(symbols=draw.some, seconds=draw.number(2, LONGEST_DISTURBANCE_SECONDS)),
    lambda draw: Duplicate(symbols=draw.some, count=draw.number(1, 30)),
    lambda draw: Reorder(symbols=draw.some, count=draw.number(2, 30), within_ms=draw.number(100, 2_000)),
    lambda draw: Delay(symbols=draw.some, seconds=draw.number(1, LONGEST_DISTURBANCE_SECONDS)),
    lambda draw: Malformed(symbols=draw.symbols, count=draw.number(1, 12)),
    lambda draw: Oversized(symbols=draw.symbols, size_bytes=draw.number(1, 4) * 1024 * 1024),
    lambda draw: Hole(symbols=draw.some, count=draw.number(1, 8)),
)
_REST_FAULTS: tuple[Callable[[_Draw], AnyFault], ...] = (
    lambda draw: RestStatus(symbols=draw.symbols, status=429, retry_after_seconds=draw.number(1, 3)),
    lambda draw: RestStatus(symbols=draw.symbols, status=418, retry_after_seconds=draw.number(2, 5)),
    lambda draw: RestStatus(symbols=draw.symbols, status=403, retry_after_seconds=draw.number(1, 3)),
    lambda draw: RestStatus(symbols=draw.symbols, status=500 + draw.number(0, 4), count=draw.number(1, 3)),
    lambda draw: RestSlow(symbols=draw.symbols, count=draw.number(1, 2), delay_seconds=draw.number(1, 3)),
    lambda draw: RestEmpty(symbols=draw.symbols, count=draw.number(1, 3)),
)


def fault_script(seed: int, symbols: Sequence[str], duration_seconds: float = 30.0) -> tuple[TimedFault, ...]:
    """One or two faults of connections, one or two of REST and some of the stream, then trades that are skipped.

    The last makes each script lose trades that only REST has, and the REST faults set before it bite. A
    fault that goes on ends within `LONGEST_DISTURBANCE_SECONDS`. The faults stand in order and within the duration.
    """
    own = tuple(symbols)
    connections = 1 + hash64(seed, "script", "connections") % 2
    rest = 1 + hash64(seed, "script", "rest") % 2
    makers = [
        *_shuffled(seed, "connection", _CONNECTION_FAULTS)[:connections],
        *_shuffled(seed, "rest", _REST_FAULTS)[:rest],
        *_shuffled(seed, "stream", _STREAM_FAULTS)[: FAULTS_A_SCRIPT - 1 - connections - rest],
    ]
    makers = _shuffled(seed, "order", tuple(makers))
    makers.append(lambda draw: Skip(symbols=draw.some, count=draw.number(1, 20)))
    step_seconds = duration_seconds / len(makers)
    return tuple(
        TimedFault(round((place + unit(seed, "script", "at", place)) * step_seconds, 3), make(_Draw(seed, place, own)))
        for place, make in enumerate(makers)
    )


def _shuffled(
    seed: int, name: str, makers: tuple[Callable[[_Draw], AnyFault], ...]
) -> list[Callable[[_Draw], AnyFault]]:
    order = sorted(range(len(makers)), key=lambda place: hash64(seed, "script", name, place))
    return [makers[place] for place in order]
