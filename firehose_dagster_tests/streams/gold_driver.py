"""What `GoldLayer` does around `GoldMinutes`, over trades and a table in memory."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from firehose_dagster.streams.gold_minutes import (
    MICROSECONDS_PER_MINUTE,
    GoldMinutes,
    GoldRow,
    LastMinute,
    MinuteKey,
)
from firehose_dagster.transforms.gold import MinuteBase
from firehose_dagster_tests.streams.gold_by_definition import content, expected_gold
from firehose_dagster_tests.streams.gold_trades import (
    LATE_AFTER_MINUTES,
    THRESHOLDS,
    Hole,
    Trade,
    base_of,
    by_minute,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class StoredGold:
    """The gold table, in memory."""

    by_hour: dict[int, list[GoldRow]] = field(default_factory=dict)

    def all_rows(self) -> list[GoldRow]:
        return [row for rows in self.by_hour.values() for row in rows]

    def hours(self) -> frozenset[int]:
        return frozenset(self.by_hour)

    def open_hours(self) -> frozenset[int]:
        return frozenset(hour for hour, rows in self.by_hour.items() if any(not row.is_final for row in rows))

    def rows(self, hours: Iterable[int]) -> Sequence[GoldRow]:
        return [row for hour in hours for row in self.by_hour.get(hour, [])]

    def last_before(self, minutes: Mapping[str, int]) -> Mapping[str, LastMinute]:
        found: dict[str, LastMinute] = {}
        for row in sorted(self.all_rows(), key=lambda row: row.base.minute):
            if row.symbol in minutes and row.base.minute < minutes[row.symbol]:
                found[row.symbol] = LastMinute(row.base.minute, row.base.last_agg_id)
        return found

    def first_after(self, keys: Iterable[MinuteKey]) -> Mapping[MinuteKey, int]:
        held = [row.key for row in self.all_rows()]
        followers = {
            key: [minute for symbol, minute in held if symbol == key.symbol and minute > key.minute] for key in keys
        }
        return {key: min(minutes) for key, minutes in followers.items() if minutes}


class Driver:
    """Takes batches, learns of holes, is started again; what it has then stored can be judged."""

    def __init__(self) -> None:
        self.stored = StoredGold()
        self.held: list[Trade] = []
        self.holes: set[tuple[str, int]] = set()
        self.snapshots = 0
        self.restart()

    def restart(self) -> None:
        self.minutes = GoldMinutes(self.stored, THRESHOLDS, self._count_absent)

    def _count_absent(self, symbol: str, first: int, last: int, minute: int) -> int:
        held = {trade.agg_id for trade in self.held if trade.symbol == symbol}
        return sum((symbol, agg_id) in self.holes and agg_id not in held for agg_id in range(first, last + 1))

    def learn(self, hole: Hole) -> None:
        self.holes |= {(hole.symbol, agg_id) for agg_id in range(hole.first, hole.last + 1)}
        beside = [
            row.key
            for row in self.stored.all_rows()
            if row.symbol == hole.symbol
            and row.base.last_agg_id >= hole.first
            and row.base.first_agg_id <= hole.last + 1
        ]
        if beside:
            self._apply(self.minutes.bases(beside))

    def take(self, batch: Sequence[Trade]) -> None:
        highest: dict[str, int] = {}
        for trade in self.held:
            highest[trade.symbol] = max(trade.agg_id, highest.get(trade.symbol, -1))
        known = {(trade.symbol, trade.agg_id) for trade in self.held}
        counts = Counter((trade.symbol, trade.agg_id) for trade in batch)
        unclear = {trade.symbol for trade in batch if trade.agg_id <= highest.get(trade.symbol, -1)}
        unclear |= {symbol for (symbol, _), count in counts.items() if count > 1}
        new = {(trade.symbol, trade.agg_id): trade for trade in reversed(batch)}
        self.held += [trade for key, trade in new.items() if key not in known]
        grown = by_minute(trade for trade in batch if trade.symbol not in unclear)
        bases = self.minutes.grow((key.symbol, base_of(rows)) for key, rows in grown.items())
        everything = by_minute(self.held)
        recomputed = {MinuteKey(trade.symbol, trade.minute) for trade in batch if trade.symbol in unclear}
        bases |= {key: base_of(everything[key]) for key in recomputed if key in everything}
        self._apply(bases)

    def _apply(self, bases: Mapping[MinuteKey, MinuteBase]) -> None:
        self.snapshots += 1
        newest = max(trade.minute for trade in self.held)
        watermark_us = (newest - LATE_AFTER_MINUTES) * MICROSECONDS_PER_MINUTE
        change = self.minutes.apply(bases, watermark_us, self.snapshots, NOW)
        if change.changed:
            self.stored.by_hour.update({hour: list(rows) for hour, rows in change.hours.items()})
            self.minutes.evict(watermark_us)

    def require_expected(self) -> None:
        rows = self.stored.all_rows()
        found = {row.key: content(row) for row in rows}
        assert len(rows) == len(found)
        assert found == expected_gold(self.held, self.holes)
