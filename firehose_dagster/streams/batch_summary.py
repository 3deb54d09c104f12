"""What a micro-batch holds, as the driver sees it: typed from the aggregate of `transforms.summary`."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pyarrow as pa

from firehose_dagster.streams.gold_minutes import MinuteKey
from firehose_dagster.transforms.gold import MinuteBase


@dataclass(frozen=True, slots=True)
class SymbolMinute:
    """The valid rows of one symbol and minute that came from one Kafka partition."""

    symbol: str
    base: MinuteBase
    agg_ids: Sequence[int]
    late: int
    oldest_event_us: int
    newest_event_us: int
    oldest_received_us: int
    newest_received_us: int


@dataclass(frozen=True, slots=True)
class Inserted:
    """Of the rows that are new to silver; None where there is none."""

    late: int
    newest_event_us: int | None
    oldest_received_us: int | None


@dataclass(frozen=True)
class BatchSummary:
    """A batch: its rows, where they lie in the topic, and its valid rows by symbol and minute."""

    rows: int
    valid_rows: int
    starts: Mapping[int, int]
    """First offset of each partition that has rows."""
    ends: Mapping[int, int]
    """Offset after the last one of each partition that has rows."""
    minutes: Sequence[SymbolMinute]

    @cached_property
    def repeated_ids(self) -> Mapping[str, frozenset[int]]:
        """Ids that stand more than once among the valid rows, by symbol."""
        counts: dict[str, Counter[int]] = defaultdict(Counter)
        for minute in self.minutes:
            counts[minute.symbol].update(minute.agg_ids)
        return {
            symbol: repeated
            for symbol, counter in counts.items()
            if (repeated := frozenset(agg_id for agg_id, count in counter.items() if count > 1))
        }

    def ids_up_to(self, highest: Mapping[str, int]) -> Mapping[str, frozenset[int]]:
        """Ids that are not above the highest one held of their symbol, by symbol."""
        found: dict[str, set[int]] = defaultdict(set)
        for minute in self.minutes:
            bound = highest.get(minute.symbol)
            if bound is not None and minute.base.first_agg_id <= bound:
                found[minute.symbol].update(agg_id for agg_id in minute.agg_ids if agg_id <= bound)
        return {symbol: frozenset(ids) for symbol, ids in found.items()}

    @cached_property
    def highest_ids(self) -> Mapping[str, int]:
        """Highest valid id of each symbol."""
        highest: dict[str, int] = {}
        for minute in self.minutes:
            highest[minute.symbol] = max(minute.base.last_agg_id, highest.get(minute.symbol, -1))
        return highest

    @cached_property
    def keys(self) -> frozenset[MinuteKey]:
        """The symbols and minutes of the valid rows."""
        return frozenset(MinuteKey(minute.symbol, minute.base.minute) for minute in self.minutes)

    @property
    def inserted(self) -> Inserted:
        """Where every valid row is new."""
        return Inserted(
            late=sum(minute.late for minute in self.minutes),
            newest_event_us=self.newest_event_us,
            oldest_received_us=min((minute.oldest_received_us for minute in self.minutes), default=None),
        )

    @property
    def newest_event_us(self) -> int | None:
        """Highest trade time of a valid row."""
        return max((minute.newest_event_us for minute in self.minutes), default=None)

    @property
    def oldest_event_us(self) -> int | None:
        """Lowest trade time of a valid row."""
        return min((minute.oldest_event_us for minute in self.minutes), default=None)


def read_summary(table: pa.Table) -> BatchSummary:
    """The Arrow form of `transforms.summary.summarise`, typed."""
    rows = valid_rows = 0
    starts: dict[int, int] = {}
    ends: dict[int, int] = {}
    minutes: list[SymbolMinute] = []
    for record in table.to_pylist():
        partition = record["kafka_partition"]
        rows += record["rows"]
        starts[partition] = min(record["first_offset"], starts.get(partition, record["first_offset"]))
        ends[partition] = max(record["last_offset"] + 1, ends.get(partition, 0))
        if record["symbol"] is not None:
            valid_rows += record["rows"]
            minutes.append(_symbol_minute(record))
    return BatchSummary(rows=rows, valid_rows=valid_rows, starts=starts, ends=ends, minutes=minutes)


def minute_base(record: Mapping[str, Any]) -> MinuteBase:
    """A record with the columns of `transforms.summary.minute_aggregates`, typed."""
    return MinuteBase(**{name: record[name] for name in MinuteBase.__dataclass_fields__})


def _symbol_minute(record: Mapping[str, Any]) -> SymbolMinute:
    return SymbolMinute(
        symbol=record["symbol"],
        base=minute_base(record),
        agg_ids=record["agg_ids"],
        late=record["late"],
        oldest_event_us=record["oldest_event_us"],
        newest_event_us=record["newest_event_us"],
        oldest_received_us=record["oldest_received_us"],
        newest_received_us=record["newest_received_us"],
    )
