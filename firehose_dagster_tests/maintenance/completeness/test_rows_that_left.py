"""Rows that left silver, by a delete, an overwrite or a rollback, are missing at the next look."""

from datetime import timedelta

import pytest
from pyiceberg.table.snapshots import Operation, Summary

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.maintenance.completeness.changes import rows_may_have_left
from firehose_dagster_tests.maintenance.completeness.growing_lake import (
    ELEVEN,
    NINE,
    TEN,
    TWELVE,
    GrowingLake,
    is_as_silver_says,
    silver_of,
)


def test_rows_that_left_silver_are_missing(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), (range(10, 15), ELEVEN), (range(15, 17), TWELVE))
    lake.hold((range(17, 20), TWELVE + timedelta(minutes=30)))
    lake.look()
    assert lake.newest_rows()[1] == (TEN, 5, 5, 0, 0, "[]", None, 1)
    silver_of(lake).delete("agg_id in (6, 7)")
    lake.look()
    assert lake.newest_rows()[1] == (TEN, 5, 3, 0, 2, "[[6,7]]", "missing", 1)
    assert is_as_silver_says(lake)


def test_an_hour_of_which_every_row_left_silver_tells_of_none(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), (range(10, 15), ELEVEN), (range(15, 17), TWELVE))
    lake.hold((range(17, 20), TWELVE + timedelta(minutes=30)))
    lake.look()
    silver_of(lake).delete(f"event_ts >= '{TEN.isoformat()}' and event_ts < '{ELEVEN.isoformat()}'")
    lake.look()
    assert lake.newest_rows() == [
        (NINE, 4, 4, 0, 0, "[]", "start_unknown", 0),
        (TEN, 0, 0, 0, 0, "[]", "missing_at_end", 1),
        (ELEVEN, 10, 5, 0, 5, "[[5,9]]", "missing", 1),
        (TWELVE, 5, 5, 0, 0, "[]", "open", 0),
    ]
    assert is_as_silver_says(lake)


def test_where_the_last_rows_of_a_symbol_left_nothing_before_them_is_proven_any_more(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), (range(10, 12), TWELVE), symbol="GOING")
    lake.hold((range(1, 3), TWELVE + timedelta(hours=2)), symbol="STAYING")
    lake.look()
    assert [row[6] for row in lake.newest_rows("GOING")] == ["start_unknown", None, None, "end_unknown"]
    silver_of(lake).delete(f"symbol = 'GOING' and event_ts >= '{TWELVE.isoformat()}'")
    lake.look()
    assert [(row[2], row[6]) for row in lake.newest_rows("GOING")] == [
        (4, "start_unknown"),
        (5, "end_unknown"),
        (0, "end_unknown"),
        (0, "end_unknown"),
    ]
    assert is_as_silver_says(lake)


def test_where_the_first_rows_of_a_symbol_left_it_begins_later(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), (range(10, 15), ELEVEN), (range(15, 17), TWELVE))
    lake.hold((range(17, 20), TWELVE + timedelta(hours=2)))
    lake.look()
    silver_of(lake).delete(f"event_ts < '{ELEVEN.isoformat()}'")
    lake.look()
    assert [(row[2], row[6]) for row in lake.newest_rows()[:4]] == [
        (0, "start_unknown"),
        (0, "start_unknown"),
        (5, "start_unknown"),
        (2, None),
    ]
    assert is_as_silver_says(lake)


@pytest.mark.parametrize(
    ("operation", "may_have_left"),
    [
        (Operation.APPEND, False),
        # As compaction commits: the files are others, the rows are the same.
        (Operation.REPLACE, False),
        (Operation.OVERWRITE, True),
        (Operation.DELETE, True),
    ],
)
def test_a_commit_says_by_its_operation_whether_rows_may_have_left(
    lake: GrowingLake, operation: Operation, may_have_left: bool
) -> None:
    lake.hold((range(1, 5), NINE))
    lake.hold((range(5, 10), TEN))
    silver = silver_of(lake)
    first, second = silver.metadata.snapshots
    as_if = second.model_copy(update={"summary": Summary(operation=operation)})
    silver.metadata = silver.metadata.model_copy(update={"snapshots": [first, as_if]})
    assert rows_may_have_left(silver, first.snapshot_id) is may_have_left
    assert not rows_may_have_left(silver, second.snapshot_id)


def test_after_a_rollback_everything_is_looked_at_again(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE))
    table = lake.catalog.load_table(SILVER.identifier)
    first = table.current_snapshot()
    assert first is not None
    lake.hold((range(5, 10), TEN))
    lake.look()
    table = lake.catalog.load_table(SILVER.identifier)
    table.manage_snapshots().set_current_snapshot(first.snapshot_id).commit()
    lake.hold(([5, 6, 9], TEN))
    assert lake.look().hours_read == 3
    assert lake.newest_rows()[1][1:6] == (5, 3, 0, 2, "[[7,8]]")
