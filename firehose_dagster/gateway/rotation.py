"""Make before break: when a connection is to be replaced, and when its replacement may take over. Pure."""

from dataclasses import dataclass
from enum import Enum, auto

CONFIRM_SECONDS = 20.0
"""Time for a replacement to be connected and have its subscriptions answered."""
SHORTEST_OVERLAP_SECONDS = 1.0
"""Both deliver for at least so long: the exchange's servers are not equally quick."""
QUIET_SECONDS = 10.0
"""Where nothing trades at all, on either connection, this is enough."""
MUTE_SECONDS = 30.0
"""A replacement that delivers nothing for so long, though the old connection does, is given up."""
LONGEST_OVERLAP_SECONDS = 60.0
"""Then the replacement takes over if it delivers; what the overlap did not cover is healed by REST."""


class Step(Enum):
    """What to do with the pair now."""

    KEEP = auto()
    OPEN = auto()
    HAND_OVER = auto()
    GIVE_UP = auto()


@dataclass(frozen=True, slots=True)
class Active:
    """The connection that delivers."""

    opened_at: float
    must_end: bool
    """The exchange announced its end, or it is not trusted any more."""
    is_mute: bool
    """It delivers nothing though it should."""
    caught_up_at: float
    """When it last had read all that had arrived."""
    has_delivered: bool
    """A trade since the replacement was confirmed."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """The connection that is to take over."""

    opened_at: float
    confirmed_at: float | None
    """When all its subscriptions were answered."""
    has_delivered: bool
    overlaps: bool
    """The old connection delivered each symbol up to where this one began, at least."""


def next_step(now: float, rotate_after_seconds: float, active: Active, replacement: Replacement | None) -> Step:
    """What to do at `now`. All times are of one monotonic clock."""
    if replacement is None:
        is_due = active.must_end or active.is_mute or now - active.opened_at >= rotate_after_seconds
        return Step.OPEN if is_due else Step.KEEP
    if replacement.confirmed_at is None:
        return Step.GIVE_UP if now - replacement.opened_at >= CONFIRM_SECONDS else Step.KEEP
    overlap_seconds = now - replacement.confirmed_at
    if overlap_seconds < SHORTEST_OVERLAP_SECONDS:
        return Step.KEEP
    if not replacement.has_delivered:
        if active.has_delivered:
            return Step.GIVE_UP if overlap_seconds >= MUTE_SECONDS else Step.KEEP
        return Step.HAND_OVER if overlap_seconds >= QUIET_SECONDS else Step.KEEP
    has_caught_up = active.caught_up_at >= replacement.confirmed_at + SHORTEST_OVERLAP_SECONDS
    if active.is_mute or (replacement.overlaps and has_caught_up) or overlap_seconds >= LONGEST_OVERLAP_SECONDS:
        return Step.HAND_OVER
    return Step.KEEP
