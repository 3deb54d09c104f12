"""The gold minutes that the driver holds, and how a batch changes them. What is not held is read by `GoldReader`."""

from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from firehose_dagster.transforms.gold import WINDOW_MINUTES, MinuteBase, MinuteFeatures, SpikeThresholds, features

MINUTES_PER_HOUR = 60
MICROSECONDS_PER_MINUTE = 60_000_000


class MinuteKey(NamedTuple):
    """One gold row; `minute` counts from the epoch."""

    symbol: str
    minute: int


class LastMinute(NamedTuple):
    """A symbol's latest minute with trades, among all or before some minute."""

    minute: int
    last_agg_id: int


@dataclass(frozen=True, slots=True)
class GoldRow:
    """A row of gold as the driver holds it."""

    symbol: str
    base: MinuteBase
    features: MinuteFeatures
    is_final: bool
    revision: int
    silver_snapshot_id: int
    updated_at: datetime

    @property
    def key(self) -> MinuteKey:
        return MinuteKey(self.symbol, self.base.minute)


class GoldReader(Protocol):
    """What the minutes are read from where they are not held: the gold table."""

    def hours(self) -> frozenset[int]:
        """The hours, counted from the epoch, in which the table has rows."""

    def open_hours(self) -> frozenset[int]:
        """The hours in which the table has rows that are not final."""

    def rows(self, hours: Iterable[int]) -> Sequence[GoldRow]:
        """All rows of these hours."""

    def last_before(self, minutes: Mapping[str, int]) -> Mapping[str, LastMinute]:
        """For each symbol its latest minute with trades before the given one; symbols without one are left out."""

    def first_after(self, keys: Iterable[MinuteKey]) -> Mapping[MinuteKey, int]:
        """For each key its symbol's earliest minute with trades after it; keys without one are left out."""


@dataclass(frozen=True, slots=True)
class GoldChange:
    """What a batch changed: the rows with other content than before, and all rows of their hours, to be written."""

    changed: Sequence[GoldRow]
    hours: Mapping[int, Sequence[GoldRow]]


_UNSET = datetime.fromtimestamp(0, UTC)


class GoldMinutes:
    """Holds whole hours of gold: those a batch touches, and those not yet final."""

    def __init__(
        self,
        reader: GoldReader,
        thresholds: SpikeThresholds,
        count_absent: Callable[[str, int, int, int], int] = lambda symbol, first, last, minute: 0,
    ) -> None:
        """`count_absent` says how many ids of a symbol, from one to another, the exchange does not have; asked for a
        minute."""
        self._reader = reader
        self._thresholds = thresholds
        self._count_absent = count_absent
        self._stored_hours = set(reader.hours())
        self._hours: dict[int, dict[MinuteKey, GoldRow]] = {}
        self._minutes: dict[str, list[int]] = {}
        self._open: set[MinuteKey] = set()
        self._latest: dict[str, LastMinute | None] = {}
        # The last id before a row, where it is known; else it is looked up when the row must be computed.
        self._previous_ids: dict[MinuteKey, int | None] = {}
        self._load(reader.open_hours())

    def get(self, key: MinuteKey) -> GoldRow | None:
        """The row, if its hour is held."""
        return self._hours.get(key.minute // MINUTES_PER_HOUR, {}).get(key)

    def bases(self, keys: Iterable[MinuteKey]) -> dict[MinuteKey, MinuteBase]:
        """The minutes as they are; those without trades are left out."""
        keys = list(keys)
        self._load({key.minute // MINUTES_PER_HOUR for key in keys})
        return {key: held.base for key in keys if (held := self.get(key)) is not None}

    def grow(self, increments: Iterable[tuple[str, MinuteBase]]) -> dict[MinuteKey, MinuteBase]:
        """Minutes as they are after trades of higher ids than any held were added to them."""
        increments = list(increments)
        self._load({base.minute // MINUTES_PER_HOUR for _, base in increments})
        grown: dict[MinuteKey, MinuteBase] = {}
        for symbol, base in increments:
            key = MinuteKey(symbol, base.minute)
            held = self.get(key)
            grown[key] = base if held is None else held.base.followed_by(base)
        return grown

    def apply(
        self, bases: Mapping[MinuteKey, MinuteBase], watermark_us: int, silver_snapshot_id: int, now: datetime
    ) -> GoldChange:
        """Set these minutes, recompute every row that depends on them, finalise those that the watermark passed."""
        self._know_latest({key.symbol for key in bases})
        self._load(self._hours_around(bases))
        finalised = {key for key in self._open if _is_final(key.minute, watermark_us)}
        dependent: set[MinuteKey] = set()
        for key in sorted(bases):
            dependent |= self._place(key, bases[key])
        changed: list[GoldRow] = []
        for key in sorted(finalised | dependent):
            held = self.get(key)
            is_final = _is_final(key.minute, watermark_us)
            # What only became final is not computed: the hour before it need not be held.
            row = (
                replace(held, is_final=is_final)
                if held is not None and key not in dependent
                else self._computed(key, held, bases, is_final)
            )
            if held is None or (held.base, held.features, held.is_final) != (row.base, row.features, row.is_final):
                changed.append(replace(row, silver_snapshot_id=silver_snapshot_id, updated_at=now))
        for row in changed:
            self._hold(row)
        dirty = {row.base.minute // MINUTES_PER_HOUR for row in changed}
        self._stored_hours |= dirty
        return GoldChange(changed=changed, hours={hour: list(self._hours[hour].values()) for hour in sorted(dirty)})

    def evict(self, watermark_us: int) -> None:
        """Let go of hours that are final and further back than a feature looks."""
        oldest_needed = watermark_us // MICROSECONDS_PER_MINUTE // MINUTES_PER_HOUR - 1
        open_hours = {key.minute // MINUTES_PER_HOUR for key in self._open}
        keep = {hour for hour in self._hours if hour >= oldest_needed or hour in open_hours or hour + 1 in open_hours}
        for hour in self._hours.keys() - keep:
            for key in self._hours.pop(hour):
                self._minutes[key.symbol].remove(key.minute)
                self._previous_ids.pop(key, None)

    def _know_latest(self, symbols: set[str]) -> None:
        unknown = symbols - self._latest.keys()
        if not unknown:
            return
        found: Mapping[str, LastMinute] = {}
        if self._stored_hours:
            # From the newest hour stored: a search from further on would find nothing near, and read the whole table.
            end = (max(self._stored_hours) + 1) * MINUTES_PER_HOUR
            found = self._reader.last_before(dict.fromkeys(unknown, end))
        for symbol in unknown:
            self._latest[symbol] = found.get(symbol)

    def _hours_around(self, bases: Mapping[MinuteKey, MinuteBase]) -> set[int]:
        hours: set[int] = set()
        late: list[MinuteKey] = []
        for key in sorted(bases):
            hour = key.minute // MINUTES_PER_HOUR
            latest = self._latest[key.symbol]
            hours |= {hour - 1, hour}
            if latest is not None and key.minute < latest.minute:
                hours.add(hour + 1)
                late.append(key)
        self._load(hours)
        # Beyond a late minute one row may follow much later, of which completeness depends on it.
        alone = [key for key in late if not self._has_follower(key, bases)]
        for minute in self._reader.first_after(alone).values() if alone else ():
            hours |= {minute // MINUTES_PER_HOUR - 1, minute // MINUTES_PER_HOUR}
        return hours

    def _has_follower(self, key: MinuteKey, bases: Mapping[MinuteKey, MinuteBase]) -> bool:
        """Whether the symbol has a minute in what is left of this hour or in the next, which are held."""
        held = self._minutes.get(key.symbol, [])
        position = bisect_right(held, key.minute)
        end = (key.minute // MINUTES_PER_HOUR + 2) * MINUTES_PER_HOUR
        if position < len(held) and held[position] < end:
            return True
        return any(MinuteKey(key.symbol, minute) in bases for minute in range(key.minute + 1, end))

    def _place(self, key: MinuteKey, base: MinuteBase) -> set[MinuteKey]:
        """Put the minute among those held; returns it and the rows that depend on it."""
        symbol, minute = key
        held = self._minutes.setdefault(symbol, [])
        latest = self._latest[symbol]
        position = bisect_left(held, minute)
        if position == len(held) or held[position] != minute:
            if latest is None:
                self._previous_ids[key] = None
            elif latest.minute < minute:
                self._previous_ids[key] = latest.last_agg_id
            held.insert(position, minute)
        if latest is None or minute >= latest.minute:
            self._latest[symbol] = LastMinute(minute, base.last_agg_id)
        dependent = {key}
        for later in held[position + 1 :]:
            if later - minute > WINDOW_MINUTES and len(dependent) > 1:
                break
            dependent.add(MinuteKey(symbol, later))
        if position + 1 < len(held):
            self._previous_ids[MinuteKey(symbol, held[position + 1])] = base.last_agg_id
        return dependent

    def _computed(
        self, key: MinuteKey, held: GoldRow | None, bases: Mapping[MinuteKey, MinuteBase], is_final: bool
    ) -> GoldRow:
        base = self._base(key, bases)
        computed = features(
            base,
            self._window(key, bases),
            self._previous_id(key, bases),
            self._thresholds,
            lambda first, last: self._count_absent(key.symbol, first, last, key.minute),
        )
        if held is None:
            return GoldRow(key.symbol, base, computed, is_final, 0, 0, _UNSET)
        revision = held.revision + int(held.is_final and (held.base, held.features) != (base, computed))
        return replace(held, base=base, features=computed, is_final=is_final, revision=revision)

    def _window(self, key: MinuteKey, bases: Mapping[MinuteKey, MinuteBase]) -> list[MinuteBase]:
        held = self._minutes[key.symbol]
        window = held[bisect_left(held, key.minute - WINDOW_MINUTES) : bisect_left(held, key.minute)]
        return [self._base(MinuteKey(key.symbol, minute), bases) for minute in window]

    def _base(self, key: MinuteKey, bases: Mapping[MinuteKey, MinuteBase]) -> MinuteBase:
        changed = bases.get(key)
        return changed if changed is not None else self._hours[key.minute // MINUTES_PER_HOUR][key].base

    def _previous_id(self, key: MinuteKey, bases: Mapping[MinuteKey, MinuteBase]) -> int | None:
        if key in self._previous_ids:
            return self._previous_ids[key]
        held = self._minutes[key.symbol]
        position = bisect_left(held, key.minute)
        nearest = MinuteKey(key.symbol, held[position - 1]) if position > 0 else None
        previous = None if nearest is None else LastMinute(nearest.minute, self._base(nearest, bases).last_agg_id)
        # This hour and the one before are held; between older ones there may be minutes that are not.
        if previous is None or previous.minute // MINUTES_PER_HOUR < key.minute // MINUTES_PER_HOUR - 1:
            stored = self._reader.last_before({key.symbol: key.minute}).get(key.symbol)
            if stored is not None and (previous is None or stored.minute > previous.minute):
                previous = stored
        found = None if previous is None else previous.last_agg_id
        self._previous_ids[key] = found
        return found

    def _hold(self, row: GoldRow) -> None:
        self._hours.setdefault(row.base.minute // MINUTES_PER_HOUR, {})[row.key] = row
        (self._open.discard if row.is_final else self._open.add)(row.key)

    def _load(self, hours: Iterable[int]) -> None:
        missing = {hour for hour in hours if hour in self._stored_hours and hour not in self._hours}
        if not missing:
            return
        for hour in missing:
            self._hours[hour] = {}
        for row in self._reader.rows(missing):
            self._hold(row)
            insort(self._minutes.setdefault(row.symbol, []), row.base.minute)


def _is_final(minute: int, watermark_us: int) -> bool:
    return (minute + 1) * MICROSECONDS_PER_MINUTE <= watermark_us
