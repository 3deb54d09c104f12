"""What a source of trades is to the exchange: tapes to play by WebSocket, trades to look up by REST."""

from collections.abc import Sequence
from typing import Protocol

import msgspec

from firehose_dagster.errors import ExplainedError
from firehose_dagster.simulator.trade import Trade


class SourceFileError(ExplainedError):
    """A file cannot be served; the message names the file, the line where there is one, and what was wrong."""


class Event(msgspec.Struct, frozen=True, gc=False):
    """One frame to come."""

    due_us: int
    """Paced source: wall clock, epoch microseconds. Unpaced: its place on the source's own timeline."""
    trade: Trade | None
    """None for a frame that is no well-formed aggTrade."""
    event_time_us: int | None
    """None: the time of sending."""
    text: str | None = None
    """The recorded `data`; None: rendered from the trade."""
    retimed: bool = False
    """The times in `text` are replaced by those of this event."""


class Tape(Protocol):
    """One stream of a source and how far it was played."""

    def next_due_us(self) -> int | None:
        """When the next event is due; None at the end."""

    def take(self, until_us: int) -> Sequence[Event]:
        """The events due up to and including `until_us`, in order, each once."""

    def skip(self, until_us: int) -> None:
        """Pass over what is due up to and including `until_us`."""


class Source(Protocol):
    """REST and status answers cover only what is due: what a client of the real exchange could have seen by then."""

    @property
    def paced(self) -> bool:
        """Whether events are due by the wall clock; else as fast as the client reads."""

    @property
    def description(self) -> str:
        """For people: one phrase."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Symbols that trade here."""

    def open(self, stream: str, now_us: int) -> Tape | None:
        """The tape of a stream at its first subscription; None for a stream without frames."""

    def due_ids(self, symbol: str, now_us: int) -> tuple[int, int] | None:
        """Lowest and highest id that was due by WebSocket; None where there is none."""

    def trades_from(self, symbol: str, from_id: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with ids from `from_id` on, by id, at most `limit`."""

    def trades_between(self, symbol: str, start_us: int, end_us: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with `start_us <= time < end_us`, by id, the first `limit`."""

    def latest_trades(self, symbol: str, before_us: int, limit: int, now_us: int) -> list[Trade]:
        """Due trades with `time < before_us`, by id, the last `limit`."""

    def close(self) -> None:
        """Release what the source holds."""
