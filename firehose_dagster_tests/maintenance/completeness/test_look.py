"""Looks at a lake that grows, lacks, is healed and changes; silver is written here as the stream stamps it."""

import csv
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS
from firehose_dagster.lake.query import run_query
from firehose_dagster.maintenance.completeness.look import LOCK_FILE, AnotherLookError, Look
from firehose_dagster.maintenance.completeness.store import CompletenessStore, LastLook
from firehose_dagster_tests.maintenance.completeness.growing_lake import (
    ELEVEN,
    NINE,
    START,
    TEN,
    TWELVE,
    GrowingLake,
    is_as_silver_says,
    silver_of,
    silver_row,
)


def test_an_hour_lacks_is_healed_sealed_changed_and_sealed_again(lake: GrowingLake) -> None:
    lake.hold((range(1, 11), NINE), ([*range(11, 15), *range(18, 21)], TEN))
    lake.look()
    assert lake.newest_rows() == [
        (NINE, 10, 10, 0, 0, "[]", "start_unknown", 0),
        (TEN, 10, 7, 0, 3, "[[15,17]]", "open", 0),
    ]
    lake.hold((range(21, 25), ELEVEN + timedelta(minutes=20)))
    lake.look()
    assert lake.newest_rows()[1] == (TEN, 10, 7, 0, 3, "[[15,17]]", "missing", 0)
    # Two of the three are healed, of the third the exchange says that it never was.
    lake.hold((range(15, 17), TEN + timedelta(seconds=4)))
    lake.look()
    assert lake.newest_rows()[1] == (TEN, 10, 9, 0, 1, "[[17,17]]", "missing", 0)
    lake.hole(17, 17)
    lake.look()
    assert lake.newest_rows()[1] == (TEN, 10, 9, 1, 0, "[]", None, 1)
    # And then it turns up after all.
    lake.hold(([17], TEN + timedelta(seconds=6)))
    lake.look()
    assert lake.newest_rows()[1:] == [
        (TEN, 10, 10, 0, 0, "[]", None, 2),
        (ELEVEN, 4, 4, 0, 0, "[]", "open", 0),
    ]
    history = run_query(
        lake.settings,
        "SELECT missing, seal_version FROM ops_completeness WHERE hour = TIMESTAMPTZ '2026-01-05 10:00:00Z' "
        "ORDER BY checked_at",
    )
    assert [tuple(row.values()) for row in history.to_pylist()] == [(3, 0), (3, 0), (1, 0), (0, 1), (0, 2)]


def test_an_outage_over_the_turn_of_the_hour_leaves_both_hours_unsealed(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), (range(20, 30), ELEVEN), (range(30, 32), TWELVE))
    lake.hold((range(32, 34), TWELVE + timedelta(minutes=30)))
    lake.look()
    assert [row[6] for row in lake.newest_rows()] == ["start_unknown", "missing_at_end", "missing", "open"]
    assert lake.newest_rows()[2][5] == "[[10,19]]"


def test_a_quiet_hour_is_sealed_when_the_ids_go_on_behind_it(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(5, 7), ELEVEN), (range(7, 9), TWELVE + timedelta(minutes=30)))
    lake.look()
    assert [(row[0], row[2], row[6]) for row in lake.newest_rows()] == [
        (NINE, 4, "start_unknown"),
        (TEN, 0, None),
        (ELEVEN, 2, None),
        (TWELVE, 2, "open"),
    ]


def test_only_what_changed_is_read_and_only_what_is_new_is_written(lake: GrowingLake) -> None:
    for hour in range(20):
        lake.hold((range(hour * 10, hour * 10 + 10), START + timedelta(hours=hour)))
    assert lake.look().hours_read == 21  # and the hour before the first
    written = lake.rows_written()
    assert written == 20
    assert (lake.look().hours_read, lake.rows_written()) == (0, written)
    lake.hold((range(200, 210), START + timedelta(hours=19, minutes=30)))
    seen = lake.look()
    # The open hour, and the one before it, which is over now.
    assert (seen.hours_read, [(row.present, row.is_sealed) for row in seen.rows]) == (2, [(20, False), (10, True)])
    # A commit without rows, as of a batch of duplicates.
    lake.append([])
    assert (lake.look().hours_read, lake.rows_written()) == (0, written + 2)


def test_what_was_open_is_over_once_the_watermark_passes_though_nothing_of_it_changed(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), (range(10, 12), ELEVEN), symbol="QUIET")
    lake.look()
    assert [row[6] for row in lake.newest_rows("QUIET")] == ["start_unknown", "open", "open"]
    lake.hold((range(1, 3), START + timedelta(days=9)))
    lake.look()
    # Another symbol went on; QUIET's own last hour cannot be proven until it trades again.
    assert [row[6] for row in lake.newest_rows("QUIET")] == ["start_unknown", None, "end_unknown"]


def test_an_hour_is_open_until_the_watermark_has_passed_its_end_by_the_margin(lake: GrowingLake) -> None:
    # The watermark is ten minutes behind the newest trade, and the margin is five.
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), (range(10, 12), ELEVEN + timedelta(minutes=14)))
    lake.look()
    assert [row[6] for row in lake.newest_rows()] == ["start_unknown", "open", "open"]
    lake.hold((range(12, 14), ELEVEN + timedelta(minutes=16)))
    lake.look()
    assert [row[6] for row in lake.newest_rows()] == ["start_unknown", None, "open"]


def test_a_symbol_that_trades_again_after_weeks_goes_on_from_what_is_stored(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), symbol="RARE")
    lake.look()
    for day in range(1, 20, 6):
        lake.hold((range(day * 10, day * 10 + 10), START + timedelta(days=day)))
        lake.look()
    lake.hold((range(12, 15), START + timedelta(days=19)), symbol="RARE")
    lake.look()
    # Ids 10 and 11 are missing, and with them the hour before is open at its end.
    rows = lake.newest_rows("RARE")
    assert [(row[4], row[5], row[6]) for row in rows] == [
        (0, "[]", "start_unknown"),
        (0, "[]", "missing_at_end"),
        (2, "[[10,11]]", "open"),
    ]


def test_trades_from_the_archive_before_the_first_hour_give_it_its_start(lake: GrowingLake) -> None:
    lake.hold((range(11, 20), TEN), (range(20, 30), ELEVEN), (range(30, 32), TWELVE + timedelta(minutes=30)))
    lake.look()
    assert lake.newest_rows()[0][6] == "start_unknown"
    lake.hold((range(1, 11), NINE))
    lake.look()
    assert [(row[0], row[6], row[7]) for row in lake.newest_rows()[:2]] == [(NINE, "start_unknown", 0), (TEN, None, 1)]


def test_after_the_snapshot_of_the_last_look_was_expired_everything_is_looked_at_again(lake: GrowingLake) -> None:
    for hour in range(5):
        lake.hold((range(hour * 10, hour * 10 + 10), START + timedelta(hours=hour)))
    lake.look()
    last = CompletenessStore(lake.catalog).last_look()
    assert last is not None
    # Meanwhile a row leaves, and nothing tells of it any more.
    silver_of(lake).delete("agg_id = 15")
    lake.hold((range(50, 60), START + timedelta(hours=5)))
    silver_of(lake).maintenance.expire_snapshots().by_ids(
        [each.snapshot_id for each in silver_of(lake).snapshots()[:-1]]
    ).commit()
    assert silver_of(lake).snapshot_by_id(last.silver_snapshot_id) is None
    assert lake.look().hours_read == 7  # and the hour before the first
    assert [(row[4], row[5]) for row in lake.newest_rows()][:3] == [(0, "[]"), (1, "[[15,15]]"), (0, "[]")]
    assert is_as_silver_says(lake)


def test_of_two_looks_at_once_one_works(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE))
    lake.settings.state_dir.mkdir(parents=True)
    with FileLock(lake.settings.state_dir / LOCK_FILE), pytest.raises(AnotherLookError, match="is at work"):
        lake.look()
    assert lake.rows_written() == 0
    lake.look()
    assert lake.rows_written() == 1


def test_a_look_from_elsewhere_in_between_is_noticed(lake: GrowingLake, monkeypatch: pytest.MonkeyPatch) -> None:
    lake.hold((range(1, 5), NINE))
    stores = iter([LastLook(1, 1, None, None), None])
    monkeypatch.setattr(CompletenessStore, "last_look", lambda _: next(stores))
    with pytest.raises(AnotherLookError, match="this one wrote nothing"):
        lake.look()
    assert lake.rows_written() == 0


def test_an_empty_lake_has_nothing_to_look_at(lake: GrowingLake) -> None:
    assert lake.look() == Look(None, 0, ())
    assert lake.catalog.load_table(OPS_COMPLETENESS.identifier).current_snapshot() is None


def test_the_recorded_day_with_holes_cut_into_it_lacks_exactly_these(lake: GrowingLake, recordings: Path) -> None:
    with (recordings / "archive" / "BTCUSDT-aggTrades-2026-01-01.csv").open() as lines:
        trades = [(int(row[0]), from_microseconds(int(row[5]))) for row in csv.reader(lines)]
    ids = [agg_id for agg_id, _ in trades]
    assert ids == list(range(ids[0], ids[0] + 5_000))
    cut = {*ids[700:720], ids[1_500], *ids[3_000:3_500]}
    lake.append([silver_row(agg_id, moment, "BTCUSDT") for agg_id, moment in trades if agg_id not in cut])
    lake.look()
    assert sum(row[4] for row in lake.newest_rows()) == 521
    lake.append([silver_row(agg_id, moment, "BTCUSDT") for agg_id, moment in trades if agg_id in cut])
    lake.look()
    hours = {moment.replace(minute=0, second=0, microsecond=0) for _, moment in trades}
    assert [(row[0], row[4]) for row in lake.newest_rows()] == [(hour, 0) for hour in sorted(hours)]
    assert sum(row[2] for row in lake.newest_rows()) == 5_000
