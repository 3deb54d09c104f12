"""Holes of the exchange that were told since the last look change the hours that they may fill, and no others."""

from datetime import timedelta

import pytest

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.maintenance.completeness.hour import HourRow
from firehose_dagster.maintenance.completeness.look import WINDOW_HOURS
from firehose_dagster.maintenance.completeness.store import HOUR_US, CompletenessStore
from firehose_dagster_tests.maintenance.completeness.growing_lake import (
    NINE,
    START,
    TEN,
    GrowingLake,
    is_as_silver_says,
)


def test_a_new_hole_has_only_the_hours_read_again_that_it_may_fill(
    lake: GrowingLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    lake.hold((range(1, 5), NINE), (range(8, 10), TEN), symbol="ETHUSDT")
    lake.hold((range(1, 5), NINE), (range(6, 10), TEN))
    lake.hold((range(12, 14), START + timedelta(days=4)), (range(14, 16), START + timedelta(days=5)))
    lake.look()
    lake.hole(10, 11)
    loaded: list[int | None] = []
    since = CompletenessStore.since

    def noted(store: CompletenessStore, hour: int | None) -> list[HourRow]:
        loaded.append(hour)
        return since(store, hour)

    monkeypatch.setattr(CompletenessStore, "since", noted)
    # BTCUSDT lacks id 5 too, days before, and ETHUSDT the ids 5 to 7.
    assert lake.look().hours_read == 2
    four_days_on = to_microseconds(START + timedelta(days=4)) // HOUR_US
    assert loaded == [four_days_on - WINDOW_HOURS]
    assert [row[3:6] for row in lake.newest_rows() if row[1] > row[2]] == [(0, 1, "[[5,5]]"), (2, 0, "[]")]
    assert is_as_silver_says(lake)


def test_holes_in_other_files_are_no_new_holes(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(8, 10), TEN))
    lake.hole(6, 6)
    lake.look()
    holes = lake.catalog.load_table(OPS_EXCHANGE_HOLES.identifier)
    holes.overwrite(holes.scan().to_arrow())
    assert lake.look().hours_read == 0


def test_where_a_hole_is_told_no_more_its_ids_are_missing_again(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(8, 10), TEN))
    lake.hole(5, 7)
    lake.look()
    assert lake.newest_rows()[1][3:5] == (3, 0)
    lake.catalog.load_table(OPS_EXCHANGE_HOLES.identifier).delete("first_agg_id = 5")
    lake.look()
    assert lake.newest_rows()[1][3:5] == (0, 3)
