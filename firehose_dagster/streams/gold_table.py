"""The gold table as the stream's driver reads and writes it: whole hours, without a Spark job."""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import BooleanExpression

from firehose_dagster.binance.gaps import HeldIds
from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.row_filters import all_of, any_of, at_least, below, equals, one_of
from firehose_dagster.streams.gold_minutes import MICROSECONDS_PER_MINUTE, GoldRow, LastMinute, MinuteKey
from firehose_dagster.transforms.gold import MinuteBase, MinuteFeatures

_MINUTES_PER_DAY = 1_440
_SEARCH_WINDOWS_MINUTES = (_MINUTES_PER_DAY, 30 * _MINUTES_PER_DAY, 1 << 40)
"""How far from the minutes given a neighbour is looked for: it is nearly always near, the whole table comes last."""
_BOUNDS_A_SCAN = 50
_FIRST_MINUTE = 0
_LAST_MINUTE = 253_402_300_740 // 60 - 1
"""The year 9999."""


class GoldTable:
    """Implements `GoldReader`; and replaces hours, for the one writer that there is."""

    def __init__(self, catalog: Catalog, writer: DriverTable) -> None:
        self._catalog = catalog
        self._writer = writer

    def hours(self) -> frozenset[int]:
        table = self._catalog.load_table(GOLD.identifier)
        if table.current_snapshot() is None:
            return frozenset()
        partitions = table.inspect.partitions().column("partition").to_pylist()
        return frozenset(partition["minute_hour"] for partition in partitions)

    def open_hours(self) -> frozenset[int]:
        minutes = self._scan(equals("is_final", False), ("minute",)).column("minute").to_pylist()
        return frozenset(_epoch_minute(minute) // 60 for minute in minutes)

    def rows(self, hours: Iterable[int]) -> Sequence[GoldRow]:
        return [_row(record) for record in self._scan(_within(hours)).to_pylist()]

    def last_before(self, minutes: Mapping[str, int]) -> Mapping[str, LastMinute]:
        found: dict[str, LastMinute] = {}
        for window in _SEARCH_WINDOWS_MINUTES:
            bounds = {symbol: minute for symbol, minute in minutes.items() if symbol not in found}
            if not bounds:
                break
            condition = all_of(
                one_of("symbol", bounds),
                at_least("minute", _iso(min(bounds.values()) - window)),
                below("minute", _iso(max(bounds.values()))),
            )
            for symbol, held, last_ids in self._by_symbol(condition):
                if position := bisect_left(held, bounds[symbol]):
                    last = LastMinute(held[position - 1], last_ids[position - 1])
                    found[symbol] = max(last, found.get(symbol, last))
        return found

    def first_after(self, keys: Iterable[MinuteKey]) -> Mapping[MinuteKey, int]:
        left = defaultdict[str, set[int]](set)
        for symbol, minute in keys:
            left[symbol].add(minute)
        found: dict[MinuteKey, int] = {}
        for window in _SEARCH_WINDOWS_MINUTES:
            if not left:
                break
            wanted = [minute for minutes in left.values() for minute in minutes]
            condition = all_of(
                one_of("symbol", left),
                at_least("minute", _iso(min(wanted) + 1)),
                below("minute", _iso(max(wanted) + window)),
            )
            for symbol, held, _ in self._by_symbol(condition):
                for minute in left[symbol]:
                    if (position := bisect_right(held, minute)) < len(held):
                        key = MinuteKey(symbol, minute)
                        found[key] = min(held[position], found.get(key, held[position]))
            for key in found:
                left[key.symbol].discard(key.minute)
            left = defaultdict(set, {symbol: minutes for symbol, minutes in left.items() if minutes})
        return found

    def keys_holding(self, ids: Mapping[str, HeldIds]) -> list[MinuteKey]:
        """The rows with one of the symbol's ids from their first id to their last, both included.

        However far apart the ids are: the rows between them are passed by, and never held as a whole.
        """
        bounds = [
            (symbol, wanted.lowest, wanted.highest)
            for symbol, wanted in ids.items()
            if wanted.lowest is not None and wanted.highest is not None
        ]
        keys: set[MinuteKey] = set()
        for start in range(0, len(bounds), _BOUNDS_A_SCAN):
            near = any_of(
                all_of(equals("symbol", symbol), at_least("last_agg_id", low), below("first_agg_id", high + 1))
                for symbol, low, high in bounds[start : start + _BOUNDS_A_SCAN]
            )
            for batch in self._batches(near, ("symbol", "minute", "first_agg_id", "last_agg_id")):
                rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                keys.update(
                    MinuteKey(symbol, _epoch_minute(minute))
                    for symbol, minute, first, last in rows
                    if ids[symbol].holds_any(first, last)
                )
        return sorted(keys)

    def minutes_holding(self, ids: Mapping[str, HeldIds]) -> Sequence[int]:
        """The minutes, counted from the epoch, that have a row as `keys_holding` says."""
        return sorted({key.minute for key in self.keys_holding(ids)})

    def highest_ids(self, symbols: Iterable[str]) -> Mapping[str, int]:
        """Highest id of each symbol that has a row."""
        highest: dict[str, int] = {}
        for symbol, _, last_ids in self._by_symbol(one_of("symbol", symbols)):
            highest[symbol] = max(*last_ids, highest.get(symbol, -1))
        return highest

    def replace(self, hours: Mapping[int, Sequence[GoldRow]], properties: Mapping[str, str]) -> int:
        """Replace these hours by these rows in one commit; returns the snapshot's id."""
        records = [_record(row) for rows in hours.values() for row in sorted(rows, key=lambda row: row.key)]
        columns = {name: [record[position] for record in records] for position, name in enumerate(GOLD.column_names)}
        return self._writer.replace_partitions(self._writer.arrow(columns), properties)

    def _by_symbol(self, condition: BooleanExpression) -> Iterator[tuple[str, list[int], list[int]]]:
        """Symbols with minutes, ascending, and the last id in each; a symbol comes again with each part of the table.

        However large the table is: it is never held as a whole.
        """
        for batch in self._batches(condition, ("symbol", "minute", "last_agg_id")):
            rows = pa.table(batch).sort_by("minute")
            minutes = pc.divide(rows.column("minute").cast(pa.int64()), MICROSECONDS_PER_MINUTE)
            rows = rows.set_column(rows.schema.get_field_index("minute"), "minute", minutes)
            groups = rows.group_by("symbol", use_threads=False).aggregate([("minute", "list"), ("last_agg_id", "list")])
            for group in groups.to_pylist():
                yield group["symbol"], group["minute_list"], group["last_agg_id_list"]

    def _batches(self, condition: BooleanExpression, fields: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
        scan = self._catalog.load_table(GOLD.identifier).scan(row_filter=condition, selected_fields=fields)
        for batch in scan.to_arrow_batch_reader():
            yield batch.select(fields)

    def _scan(self, condition: BooleanExpression, fields: tuple[str, ...] = ("*",)) -> pa.Table:
        return self._catalog.load_table(GOLD.identifier).scan(row_filter=condition, selected_fields=fields).to_arrow()


def _within(hours: Iterable[int]) -> BooleanExpression:
    spans: list[list[int]] = []
    for hour in sorted(hours):
        if spans and spans[-1][1] == hour:
            spans[-1][1] = hour + 1
        else:
            spans.append([hour, hour + 1])
    return any_of(all_of(at_least("minute", _iso(start * 60)), below("minute", _iso(end * 60))) for start, end in spans)


def _iso(minute: int) -> str:
    return _moment(max(_FIRST_MINUTE, min(minute, _LAST_MINUTE))).isoformat()


def _moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


def _epoch_minute(moment: datetime) -> int:
    return int(moment.timestamp()) // 60


_BASE_FIELDS = tuple(MinuteBase.__dataclass_fields__)[1:]
_FEATURE_FIELDS = tuple(MinuteFeatures.__dataclass_fields__)


def _row(record: Mapping[str, object]) -> GoldRow:
    minute = record["minute"]
    symbol, revision, snapshot_id, updated_at = (
        record["symbol"],
        record["revision"],
        record["silver_snapshot_id"],
        record["updated_at"],
    )
    assert isinstance(minute, datetime) and isinstance(symbol, str) and isinstance(updated_at, datetime)  # noqa: S101, PT018 - narrows Arrow's types
    assert isinstance(revision, int) and isinstance(snapshot_id, int)  # noqa: S101, PT018 - narrows Arrow's types
    return GoldRow(
        symbol=symbol,
        base=MinuteBase(_epoch_minute(minute), *(record[name] for name in _BASE_FIELDS)),  # type: ignore[arg-type] # Arrow gives the contract's types
        features=MinuteFeatures(*(record[name] for name in _FEATURE_FIELDS)),  # type: ignore[arg-type] # Arrow gives the contract's types
        is_final=bool(record["is_final"]),
        revision=revision,
        silver_snapshot_id=snapshot_id,
        updated_at=updated_at,
    )


def _record(row: GoldRow) -> tuple[object, ...]:
    """The row's values in the contract's column order."""
    values = {
        "symbol": row.symbol,
        "minute": _moment(row.base.minute),
        "is_final": row.is_final,
        "revision": row.revision,
        "silver_snapshot_id": row.silver_snapshot_id,
        "updated_at": row.updated_at,
        **{name: getattr(row.base, name) for name in _BASE_FIELDS},
        **{name: getattr(row.features, name) for name in _FEATURE_FIELDS},
    }
    return tuple(values[name] for name in GOLD.column_names)
