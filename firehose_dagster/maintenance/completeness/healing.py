"""Which missing ids the gateway is asked for, and when: after a second look, then less and less often. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from firehose_dagster.maintenance.completeness.hour import HourRow

FIRST_PAUSE_SECONDS = 300
LONGEST_PAUSE_SECONDS = 6 * 3_600
REMEMBERED = 1_000
"""Ranges that the memory holds; more are asked for when these are done."""


class Asked(msgspec.Struct, frozen=True):
    """A missing range that was seen: how often it was asked for, and when last (epoch seconds; None: not yet)."""

    symbol: str
    first: int
    last: int
    times: int = 0
    at: int | None = None

    @property
    def ids(self) -> tuple[str, int, int]:
        """As the gateway is asked."""
        return self.symbol, self.first, self.last


class HealMemory(msgspec.Struct, frozen=True):
    """What is remembered between two looks: which look it was, and the ranges missing then."""

    look_id: int | None = None
    asked: tuple[Asked, ...] = ()

    def to_json(self) -> str:
        """As a sensor's cursor."""
        return msgspec.json.encode(self).decode()

    @classmethod
    def from_json(cls, text: str | None) -> "HealMemory":
        """The inverse; of no text, or one that another version wrote, an empty memory."""
        try:
            return msgspec.json.decode(text, type=cls) if text else cls()
        except msgspec.DecodeError:
            return cls()


@dataclass(frozen=True, slots=True)
class HealPlan:
    """What to ask for now, and what is too long to be asked for over REST."""

    ask: tuple[tuple[str, int, int], ...]
    too_long: tuple[tuple[str, int, int], ...]
    memory: HealMemory


def plan_heals(
    rows: Iterable[HourRow], memory: HealMemory, look_id: int | None, now_seconds: int, max_ids: int
) -> HealPlan:
    """`rows` are the newest of their hours.

    A range seen for the first time waits for the next look: the gateway heals what it noticed itself. One that stays
    is asked for again after pauses that double. At most `max_ids` ids are asked for at once; a range of more is never.
    """
    seen: Mapping[tuple[str, int, int], Asked] = {each.ids: each for each in memory.asked}
    ask: list[tuple[str, int, int]] = []
    too_long: list[tuple[str, int, int]] = []
    kept: list[Asked] = []
    room = max_ids
    # Newest first: what happened last is looked at most.
    for row in sorted(rows, key=lambda row: (-row.hour, row.symbol)):
        for ids in row.missing_ranges:
            key = (row.symbol, ids.first, ids.last)
            if len(ids) > max_ids:
                too_long.append(key)
                continue
            known = seen.get(key)
            if known is None:
                kept.append(Asked(*key))
            elif _is_due(known, now_seconds) and len(ids) <= room:
                room -= len(ids)
                ask.append(key)
                kept.append(Asked(*key, times=known.times + 1, at=now_seconds))
            else:
                kept.append(known)
    return HealPlan(tuple(ask), tuple(too_long), HealMemory(look_id, tuple(kept[:REMEMBERED])))


def _is_due(known: Asked, now_seconds: int) -> bool:
    if known.at is None:
        return True
    pause: int = min(FIRST_PAUSE_SECONDS << min(known.times, 10), LONGEST_PAUSE_SECONDS)
    # Asked in the future: the clock was set back since, and how long ago it was is not known.
    return not 0 <= now_seconds - known.at < pause
