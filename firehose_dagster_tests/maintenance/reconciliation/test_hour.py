"""One hour judged by SQL, against a stream of a few lines and plain sets: what is missing, and what publishing does."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import duckdb
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from firehose_dagster.contracts.topic import OffsetRange
from firehose_dagster.maintenance.reconciliation.hour import (
    count,
    displaced_of,
    displaced_ranges,
    find_rest,
    judge_rest,
    missing_trades,
    unrejected_texts,
)

HOUR = datetime(2026, 1, 5, 9, tzinfo=UTC)
_PARTITION = {"A": 0, "B": 1}
_PARTITION_SINCE = {"A": 0, "B": 0}
"""Where keys go after the topic got more partitions: B's ids are in two."""
_TEXT_PARTITION = 1
_TYPES = {
    "price": pa.decimal128(18, 8),
    "qty": pa.decimal128(19, 8),
    "is_buyer_maker": pa.bool_(),
    "event_ts": pa.timestamp("us", tz="UTC"),
    "kafka_timestamp": pa.timestamp("us", tz="UTC"),
    "kafka_partition": pa.int32(),
    "symbol": pa.string(),
    "raw": pa.string(),
}
_NAMES = (
    *("symbol", "agg_id", "price", "qty", "first_trade_id", "last_trade_id", "is_buyer_maker", "trade_time"),
    *("event_time", "event_ts", "raw", "kafka_partition", "kafka_offset", "kafka_timestamp"),
)


class Trade(NamedTuple):
    """A valid message: `price` is its content."""

    symbol: str
    agg_id: int
    price: int


Value = Trade | str
"""A valid message, or a text that breaks a rule."""
Place = tuple[int, int]
"""Partition and offset."""


@dataclass
class Model:
    """A stream: the first of an id is taken, another content is rejected, the same is a duplicate."""

    bronze: dict[Place, Value] = field(default_factory=dict)
    silver: dict[Place, Trade] = field(default_factory=dict)
    quarantine: dict[Place, Value] = field(default_factory=dict)
    arrived: list[Place] = field(default_factory=list)
    """In the order of the broker's time."""
    partition_of: Mapping[str, int] = field(default_factory=lambda: _PARTITION)
    inserted: int = 0
    rejected: int = 0
    duplicates: int = 0

    def take(self, value: Value) -> None:
        partition = _TEXT_PARTITION if isinstance(value, str) else self.partition_of[value.symbol]
        where = (partition, sum(each[0] == partition for each in self.bronze))
        self.arrived.append(where)
        self.bronze[where] = value
        if isinstance(value, str):
            self.quarantine[where] = value
            self.rejected += 1
            return
        held = next((each for each in self.silver.values() if each[:2] == value[:2]), None)
        if held is None:
            self.silver[where] = value
            self.inserted += 1
        elif held == value:
            self.duplicates += 1
        else:
            self.quarantine[where] = value
            self.rejected += 1

    def lacks(self) -> set[Value]:
        """What is in bronze and in neither of the others, by sets: no record that says it is held or was rejected."""
        return set(self.bronze.values()) - set(self.silver.values()) - set(self.quarantine.values())


@contextmanager
def _judged(
    model: Model, told: Sequence[OffsetRange] = (), seconds_apart: int = 1
) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        for name, rows in (("b", model.bronze), ("s", model.silver), ("q", model.quarantine)):
            connection.register(name, _relation(rows, model.arrived, seconds_apart))
        connection.register(
            "told",
            pa.table(
                {
                    "partition": pa.array([each.partition for each in told], pa.int32()),
                    "first": pa.array([each.first for each in told], pa.int64()),
                    "end_offset": pa.array([each.end for each in told], pa.int64()),
                }
            ),
        )
        find_rest(connection, "true")
        judge_rest(connection)
        yield connection


def _relation(rows: Mapping[Place, Value], arrived: Sequence[Place], seconds_apart: int) -> pa.Table:
    columns: dict[str, list[object]] = {name: [] for name in _NAMES}
    for (partition, offset), value in rows.items():
        is_text = isinstance(value, str)
        symbol, agg_id, price = (None, None, None) if isinstance(value, str) else value
        at = HOUR + timedelta(microseconds=agg_id or 0)
        told = {
            "symbol": symbol,
            "agg_id": agg_id,
            "price": None if price is None else Decimal(price),
            "qty": None if is_text else Decimal(1),
            "first_trade_id": agg_id,
            "last_trade_id": agg_id,
            "is_buyer_maker": None if is_text else True,
            "trade_time": None if is_text else round(at.timestamp()) * 1_000_000 + (agg_id or 0),
            "event_time": None,
            "event_ts": at,
            "raw": value if is_text else None,
            "kafka_partition": partition,
            "kafka_offset": offset,
            "kafka_timestamp": HOUR + timedelta(seconds=seconds_apart * arrived.index((partition, offset))),
        }
        for name, values in columns.items():
            values.append(told[name])
    return pa.table({name: pa.array(values, _TYPES.get(name, pa.int64())) for name, values in columns.items()})


def _published(connection: duckdb.DuckDBPyConnection) -> list[Value]:
    trades: list[Value] = [
        Trade(each.symbol, each.agg_id, int(Decimal(each.price)))
        for chunk in missing_trades(connection, 0)
        for each in chunk
    ]
    return trades + [text for chunk in unrejected_texts(connection) for _, text in chunk]


VALUES: st.SearchStrategy[Value] = st.one_of(
    st.builds(Trade, st.sampled_from("AB"), st.integers(1, 3), st.integers(1, 2)), st.sampled_from(["x", "y"])
)


@st.composite
def spoiled(draw: st.DrawFn) -> Model:
    """What a stream made of some records, and then lost some rows."""
    model = Model()
    for value in draw(st.lists(VALUES, max_size=7)):
        model.take(value)
    model.partition_of = draw(st.sampled_from([_PARTITION, _PARTITION_SINCE]))
    for value in draw(st.lists(VALUES, max_size=7)):
        model.take(value)
    for rows in (model.silver, model.quarantine):
        for place in draw(st.frozensets(st.sampled_from(sorted(rows)))) if rows else ():
            rows.pop(place)
    return model


@given(spoiled())
@settings(max_examples=60, deadline=None)
def test_what_is_missing_is_found_is_taken_again_once_and_the_audit_adds_up(model: Model) -> None:
    with _judged(model) as connection:
        assert {each for each in _published(connection) if isinstance(each, Trade)} == {
            each for each in model.lacks() if isinstance(each, Trade)
        }
        wanted = _published(connection)
        assert len(wanted) == len(set(wanted)) == count(connection, "missing") + count(connection, "unrejected")
        told = displaced_ranges(connection)
        lost_from = displaced_of(connection, silver=True), displaced_of(connection, silver=False)
    _require_added_up(model, lost_from)
    for value in wanted:
        model.take(value)
    assert model.lacks() == set()
    _require_added_up(model, lost_from)
    with _judged(model, told) as connection:
        assert _published(connection) == []
        assert count(connection, "displaced") == 0


def _require_added_up(model: Model, lost_from: tuple[int, int]) -> None:
    """As `firehose verify` counts it, with what is told as lost taken back."""
    from_silver, from_quarantine = lost_from
    assert model.inserted - from_silver == len(model.silver)
    assert model.rejected - from_quarantine == len(model.quarantine)
    assert len(model.bronze) == len(model.silver) + len(model.quarantine) + model.duplicates + sum(lost_from)


def test_a_row_lost_from_silver_is_published_with_all_that_it_said() -> None:
    model = Model()
    for agg_id in (1, 2, 3):
        model.take(Trade("A", agg_id, 7))
    del model.silver[0, 1]
    with _judged(model) as connection:
        ((message,),) = missing_trades(connection, 99)
        assert (message.symbol, message.agg_id, message.price, message.qty) == ("A", 2, "7.00000000", "1.00000000")
        assert (message.first_trade_id, message.last_trade_id, message.is_buyer_maker) == (2, 2, True)
        assert (message.trade_time, message.received_at, message.source) == (1_767_603_600_000_002, 99, "replay")
        assert displaced_ranges(connection) == [OffsetRange(0, 1, 2)]


def test_a_rejected_record_is_not_published() -> None:
    model = Model()
    for value in (Trade("A", 1, 7), Trade("A", 1, 8), "no message"):
        model.take(value)
    with _judged(model) as connection:
        assert _published(connection) == []
        assert displaced_ranges(connection) == []


def test_a_trade_that_somebody_else_brought_back_is_told_as_lost_and_not_published() -> None:
    model = Model()
    model.take(Trade("A", 1, 7))
    del model.silver[0, 0]
    model.take(Trade("A", 1, 7))
    with _judged(model) as connection:
        assert _published(connection) == []
        assert displaced_ranges(connection) == [OffsetRange(0, 0, 1)]
    with _judged(model, [OffsetRange(0, 0, 1)]) as connection:
        assert displaced_ranges(connection) == []


def test_a_duplicate_in_an_hour_that_left_bronze_is_not_taken_for_a_loss() -> None:
    model = Model()
    model.take(Trade("A", 1, 7))
    model.take(Trade("A", 1, 7))
    del model.bronze[0, 0]
    with _judged(model) as connection:
        assert (_published(connection), displaced_ranges(connection)) == ([], [])


def test_a_duplicate_in_a_partition_that_the_topic_got_since_is_not_taken_for_a_loss() -> None:
    model = Model()
    model.take(Trade("B", 1, 7))
    model.partition_of = _PARTITION_SINCE
    model.take(Trade("B", 1, 7))
    assert list(model.bronze) == [(1, 0), (0, 0)]
    with _judged(model) as connection:
        assert (_published(connection), displaced_ranges(connection)) == ([], [])


def test_a_trade_that_came_back_in_a_partition_that_the_topic_got_since_is_told_as_lost() -> None:
    model = Model()
    model.take(Trade("B", 1, 7))
    del model.silver[1, 0]
    model.partition_of = _PARTITION_SINCE
    model.take(Trade("B", 1, 7))
    with _judged(model) as connection:
        assert (_published(connection), displaced_ranges(connection)) == ([], [OffsetRange(1, 0, 1)])


def test_of_two_records_of_one_time_in_two_partitions_silver_took_the_one_that_it_holds() -> None:
    model = Model()
    model.take(Trade("B", 1, 7))
    model.partition_of = _PARTITION_SINCE
    model.take(Trade("B", 1, 7))
    with _judged(model, seconds_apart=0) as connection:
        assert displaced_ranges(connection) == []


def test_within_a_partition_the_offset_says_which_record_was_first_though_the_clock_was_set_back() -> None:
    model = Model()
    for _ in range(3):
        model.take(Trade("A", 1, 7))
    with _judged(model, seconds_apart=-1) as connection:
        assert displaced_ranges(connection) == []
