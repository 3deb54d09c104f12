"""What the driver sees of a batch: where it lies in the topic, which ids stand twice in it, which may be held."""

from decimal import Decimal

import pyarrow as pa

from firehose_dagster.streams.batch_summary import BatchSummary, SymbolMinute, read_summary
from firehose_dagster.transforms.gold import MinuteBase

ONE = Decimal(1)


def _minute(minute: int, *ids: int, symbol: str = "A") -> SymbolMinute:
    base = MinuteBase(minute, ONE, ONE, ONE, ONE, ONE, ONE, len(ids), min(ids), max(ids))
    return SymbolMinute(symbol, base, ids, 0, 0, 0, 0, 0)


def _batch(*minutes: SymbolMinute) -> BatchSummary:
    return BatchSummary(rows=0, valid_rows=0, starts={}, ends={}, minutes=minutes)


def test_a_batch_reaches_from_its_first_offset_to_behind_its_last_in_each_partition() -> None:
    groups = [(0, 3, 4), (0, 7, 9), (0, 5, 6), (1, 5, 5)]
    table = pa.Table.from_pylist(
        [
            {"kafka_partition": partition, "rows": 2, "first_offset": first, "last_offset": last, "symbol": None}
            for partition, first, last in groups
        ]
    )
    batch = read_summary(table)
    assert (batch.starts, batch.ends) == ({0: 3, 1: 5}, {0: 10, 1: 6})
    assert (batch.rows, batch.valid_rows) == (8, 0)


def test_an_id_that_stands_twice_is_found_in_one_minute_and_across_minutes_and_partitions() -> None:
    batch = _batch(_minute(0, 1, 2, 2), _minute(1, 3), _minute(1, 3, 4), _minute(2, 1), _minute(0, 4, symbol="B"))
    assert batch.repeated_ids == {"A": {1, 2, 3}}


def test_every_id_up_to_the_highest_held_may_be_held_that_one_too() -> None:
    batch = _batch(_minute(1, 7), _minute(0, 4, 5, 6), _minute(2, 5, symbol="B"))
    assert batch.highest_ids == {"A": 7, "B": 5}
    assert batch.ids_up_to({"A": 3}) == {}
    assert batch.ids_up_to({"A": 4}) == {"A": {4}}
    assert batch.ids_up_to({"A": 5}) == {"A": {4, 5}}
    assert batch.ids_up_to({"A": 7, "B": 5}) == {"A": {4, 5, 6, 7}, "B": {5}}
