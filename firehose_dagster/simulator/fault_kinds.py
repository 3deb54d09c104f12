"""Everything that can be made to go wrong, as data: what an admin request holds, and what a script is made of.

`{"kind": "skip", "symbols": ["BTCUSDT"], "count": 3}`. A fault without symbols is of all symbols.
"""

import re
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Count = Annotated[int, Meta(ge=1, le=1_000_000)]

LARGEST_FRAME_BYTES = 64 * 1024 * 1024


def _kind(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", name).lower()


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag=_kind):
    """What all faults have. One of a connection hits each connection that carries at least one of the symbols."""

    symbols: tuple[str, ...] = ()

    @property
    def kind(self) -> str:
        """As it is spelt in JSON."""
        return _kind(type(self).__name__)


class Close(Fault, frozen=True, kw_only=True):
    """The connections are closed by handshake."""

    code: Annotated[int, Meta(ge=1000, le=4999)] = 1001


class Abort(Fault, frozen=True, kw_only=True):
    """The connections are dropped without a handshake: the client's library calls it 1006."""


class Freeze(Fault, frozen=True, kw_only=True):
    """Half-open: the connections stay, but nothing is sent, no ping either, and nothing is read. Then dropped."""

    seconds: Seconds = 300


class Mute(Fault, frozen=True, kw_only=True):
    """No trade is sent for so long, nor later. Connections stay, pings go on and are answered."""

    seconds: Seconds


class Skip(Fault, frozen=True, kw_only=True):
    """Each symbol's next trades are not sent; REST has them."""

    count: Count


class Duplicate(Fault, frozen=True, kw_only=True):
    """Each symbol's next trades are sent twice."""

    count: Count


class Reorder(Fault, frozen=True, kw_only=True):
    """Each symbol's next trades are held back, each for its own time up to `within_ms`: they arrive in any order."""

    count: Count
    within_ms: Annotated[int, Meta(ge=1, le=60_000)] = 500


class Delay(Fault, frozen=True, kw_only=True):
    """For so long nothing is sent, then all of it, in its order."""

    seconds: Seconds


class Malformed(Fault, frozen=True, kw_only=True):
    """Frames that are no aggTrade, each of another form, see `malformed_frames`; beside the trades, not instead."""

    count: Count = 1


class Oversized(Fault, frozen=True, kw_only=True):
    """One text frame of this size that is no JSON."""

    size_bytes: Annotated[int, Meta(ge=1, le=LARGEST_FRAME_BYTES)] = 2 * 1024 * 1024


class ServerShutdown(Fault, frozen=True, kw_only=True):
    """`serverShutdown` is announced, bare or as stream `!serverShutdown`; `own`: as the client gets its trades.

    After `grace_seconds` the connections that still stand are closed.
    """

    form: Literal["own", "raw", "combined"] = "own"
    grace_seconds: Seconds = 10


class AgeLimit(Fault, frozen=True, kw_only=True):
    """The connections there are now are closed at this age, those above it at once."""

    seconds: Seconds


class Hole(Fault, frozen=True, kw_only=True):
    """Each symbol's next ids exist nowhere: not by WebSocket, not by REST, which shows the neighbours."""

    count: Count


class RestFault(Fault, frozen=True, kw_only=True):
    """Of the next `count` requests, or with `seconds` of all until then. With symbols: of their aggTrades only."""

    count: Count = 1
    seconds: Seconds | None = None


class RestStatus(RestFault, frozen=True, kw_only=True):
    """Answered with this status. 429 and 418 bind: asking before `Retry-After` is over is a violation."""

    status: Annotated[int, Meta(ge=400, le=599)]
    retry_after_seconds: Annotated[int, Meta(ge=1, le=259_200)] | None = None


class RestSlow(RestFault, frozen=True, kw_only=True):
    """Answered so much later."""

    delay_seconds: Seconds


class RestEmpty(RestFault, frozen=True, kw_only=True):
    """aggTrades answers with an empty page, as a database that lags behind the stream does."""


AnyFault = (
    Close
    | Abort
    | Freeze
    | Mute
    | Skip
    | Duplicate
    | Reorder
    | Delay
    | Malformed
    | Oversized
    | ServerShutdown
    | AgeLimit
    | Hole
    | RestStatus
    | RestSlow
    | RestEmpty
)
