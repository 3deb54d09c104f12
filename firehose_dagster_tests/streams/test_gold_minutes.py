"""Gold stays a function of the trades, whatever batches they came in: against a from-scratch recomputation."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from firehose_dagster.streams.gold_minutes import (
    MICROSECONDS_PER_MINUTE,
    MINUTES_PER_HOUR,
    GoldMinutes,
    GoldRow,
    LastMinute,
    MinuteKey,
)
from firehose_dagster.transforms.gold import MinuteBase, SpikeThresholds

LATE_AFTER_MINUTES = 10
NOW = datetime(2026, 1, 1, tzinfo=UTC)
FIRST_MINUTE = 29_000_000
MIN_HISTORY = 2
THRESHOLDS = SpikeThresholds(
    history_minutes=30,
    min_history=MIN_HISTORY,
    volume_ratio=Decimal(5),
    price_ratio=Decimal(4),
    price_min_move=Decimal("0.003"),
)


@dataclass(frozen=True)
class Trade:
    """`price` and `qty` are small whole numbers."""

    symbol: str
    agg_id: int
    minute: int
    price: int
    qty: int


@dataclass(frozen=True)
class Hole:
    """Ids that the exchange says it does not have; it may be wrong."""

    symbol: str
    first: int
    last: int


Step = list[Trade] | Hole | None
"""A batch, a hole told, or a restart."""


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

    def first_after(self, minutes: Mapping[str, int]) -> Mapping[str, int]:
        found: dict[str, int] = {}
        for row in self.all_rows():
            if row.symbol in minutes and row.base.minute > minutes[row.symbol]:
                found[row.symbol] = min(row.base.minute, found.get(row.symbol, row.base.minute))
        return found


def base_of(trades: Sequence[Trade]) -> MinuteBase:
    ordered = sorted(trades, key=lambda trade: trade.agg_id)
    prices = [Decimal(trade.price) for trade in ordered]
    return MinuteBase(
        minute=ordered[0].minute,
        open=prices[0],
        high=max(prices),
        low=min(prices),
        close=prices[-1],
        volume=Decimal(sum(trade.qty for trade in ordered)),
        quote_volume=Decimal(sum(trade.qty * trade.price for trade in ordered)),
        trades=len(ordered),
        first_agg_id=ordered[0].agg_id,
        last_agg_id=ordered[-1].agg_id,
    )


def by_minute(trades: Iterable[Trade]) -> dict[MinuteKey, list[Trade]]:
    grouped: dict[MinuteKey, list[Trade]] = {}
    for trade in trades:
        grouped.setdefault(MinuteKey(trade.symbol, trade.minute), []).append(trade)
    return grouped


def _rounded(value: Fraction) -> Decimal:
    scaled, rest = divmod(abs(value) * 10**8, 1)
    whole = int(scaled) + (1 if rest * 2 >= 1 else 0)
    return Decimal(whole if value >= 0 else -whole) / 10**8


def expected_gold(trades: Sequence[Trade], holes: AbstractSet[tuple[str, int]]) -> dict[MinuteKey, tuple[object, ...]]:
    """docs/gold.md, written again over fractions, from the trades alone."""
    watermark_minute = max(trade.minute for trade in trades) - LATE_AFTER_MINUTES
    expected: dict[MinuteKey, tuple[object, ...]] = {}
    for symbol in {trade.symbol for trade in trades}:
        minutes = {key.minute: base_of(rows) for key, rows in by_minute(trades).items() if key.symbol == symbol}
        for m, base in minutes.items():
            earlier = sorted(each for each in minutes if each < m)
            window = [minutes[each] for each in earlier if each >= m - 30]
            volume_5m = base.volume + sum(minutes[each].volume for each in earlier if each >= m - 4)
            closes = [minutes[each].close for each in earlier if each >= m - 29] + [base.close]
            change = (
                _rounded(Fraction(base.close) / Fraction(minutes[earlier[-1]].close) - 1)
                if earlier and earlier[-1] >= m - 30
                else None
            )
            count = len(window)
            price_score = volume_score = None
            is_price_spike = is_volume_spike = False
            if count >= MIN_HISTORY:
                volumes = Fraction(sum(each.volume for each in window))
                ranges = Fraction(sum(each.high - each.low for each in window))
                start = Fraction(window[-1].close)
                distance = max(Fraction(base.high) - start, start - Fraction(base.low))
                volume_score = _rounded(Fraction(base.volume) * count / volumes)
                is_volume_spike = Fraction(base.volume) * count >= 5 * volumes
                price_score = _rounded(distance * count / ranges) if ranges else None
                is_price_spike = (
                    distance > 0 and distance >= Fraction(3, 1000) * start and distance * count >= 4 * ranges
                )
            is_complete = False
            if earlier and minutes[earlier[-1]].last_agg_id < base.first_agg_id:
                held = {trade.agg_id for trade in trades if trade.symbol == symbol}
                wanted = range(minutes[earlier[-1]].last_agg_id + 1, base.last_agg_id + 1)
                is_complete = all(agg_id in held or (symbol, agg_id) in holes for agg_id in wanted)
            expected[MinuteKey(symbol, m)] = (
                base,
                _rounded(Fraction(base.quote_volume) / Fraction(base.volume)),
                volume_5m,
                _rounded(Fraction(sum(closes)) / len(closes)),
                change,
                is_price_spike,
                is_volume_spike,
                price_score,
                volume_score,
                is_complete,
                m + 1 <= watermark_minute,
            )
    return expected


def content(row: GoldRow) -> tuple[object, ...]:
    f = row.features
    return (
        row.base,
        f.vwap,
        f.volume_5m,
        f.price_ma_30m,
        f.return_1m,
        f.is_price_spike,
        f.is_volume_spike,
        f.price_spike_score,
        f.volume_spike_score,
        f.is_complete,
        row.is_final,
    )


class Driver:
    """What `GoldLayer` does around `GoldMinutes`, over trades in memory."""

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


@st.composite
def markets(draw: st.DrawFn) -> list[Step]:
    """Time goes on with the id; what is left out of a batch comes late, or never."""
    trades: list[Trade] = []
    for symbol in ("A", "B"):
        minute = FIRST_MINUTE
        for agg_id in range(draw(st.integers(1, 14))):
            minute += draw(st.sampled_from((0, 1, 2, 8, 25, 31, 45, 61, 130, 400)))
            trades.append(Trade(symbol, agg_id, minute, draw(st.integers(90, 110)), draw(st.sampled_from((1, 2, 40)))))
    order = sorted(
        trades, key=lambda trade: (trade.minute + draw(st.sampled_from((0, 0, 0, 60, 300, 700, 1500))), trade.agg_id)
    )
    never = draw(st.sets(st.integers(0, 14), max_size=4))
    order = [trade for trade in order if trade.agg_id not in never] or order
    batches: list[Step] = []
    while order:
        size = draw(st.integers(1, 6))
        batch, order = order[:size], order[size:]
        if draw(st.booleans()):
            batch = [*batch, draw(st.sampled_from(batch))]
        batches.append(batch)
        if draw(st.integers(0, 3)) == 0:
            batches.append(None)
        if draw(st.integers(0, 2)) == 0:
            first = draw(st.integers(0, 14))
            batches.append(Hole(draw(st.sampled_from("AB")), first, first + draw(st.integers(0, 2))))
    return batches


@settings(max_examples=300, deadline=None)
@given(markets())
def test_gold_equals_a_recomputation_after_any_batches_holes_and_restarts(steps: list[Step]) -> None:
    driver = Driver()
    for step in steps:
        match step:
            case None:
                driver.restart()
            case Hole():
                driver.learn(step)
                driver.require_expected()
            case _:
                driver.take(step)
                driver.require_expected()


def _one(agg_id: int, minute: int, symbol: str = "A", qty: int = 1) -> Trade:
    return Trade(symbol, agg_id, FIRST_MINUTE + minute, 100, qty)


def test_late_trades_hours_apart_in_one_batch_complete_every_minute_that_follows_them() -> None:
    driver = Driver()
    driver.take([_one(1, 0), _one(3, 300), _one(5, 720), _one(6, 900)])
    driver.restart()
    driver.take([_one(2, 1), _one(4, 420)])
    driver.require_expected()


def test_after_a_restart_a_minute_that_becomes_final_still_knows_the_hour_before_it() -> None:
    driver = Driver()
    to_the_hour = -FIRST_MINUTE % MINUTES_PER_HOUR
    driver.take([_one(1, 0), _one(3, 45), _one(4, to_the_hour + 405, qty=7), _one(5, to_the_hour + 430)])
    driver.restart()
    driver.take([_one(2, 1), _one(1, to_the_hour + 490, "B")])
    driver.require_expected()


def test_a_minute_that_lacks_only_what_never_was_becomes_complete_within_or_before_it() -> None:
    driver = Driver()
    driver.take([_one(1, 0), _one(2, 1), _one(4, 1), _one(7, 3), _one(8, 4)])
    assert [row.features.is_complete for row in driver.stored.all_rows()] == [False, False, False, True]
    driver.learn(Hole("A", 3, 3))
    assert [row.features.is_complete for row in driver.stored.all_rows()] == [False, True, False, True]
    driver.learn(Hole("A", 5, 6))
    assert [row.features.is_complete for row in driver.stored.all_rows()] == [False, True, True, True]
    # One of them turns up: the minute that it makes complete follows, and the next goes on from it.
    driver.take([_one(6, 2)])
    driver.require_expected()
    assert [row.features.is_complete for row in driver.stored.all_rows()] == [False, True, True, True, True]
