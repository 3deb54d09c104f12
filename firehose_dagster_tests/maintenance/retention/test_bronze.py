"""An hour of bronze leaves when silver holds it, and the promises stay provable; any other hour stays whole."""

from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.retirement import RETIRED_HOURS, from_text
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.retention.bronze import RetentionStep, RetiredHour, retire_bronze
from firehose_dagster.settings import Settings
from firehose_dagster.streams.rebuild import BronzeRetiredError, refuse_if_retired
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import PARTITION, SmallLake, append, small_lake, write

HOUR = datetime(2026, 1, 1, 9, tzinfo=UTC)
"""The first of the small lake's two."""


class _Killed(BaseException):
    """Ends a run as a kill would."""


@pytest.fixture
def lake(tmp_path: Path) -> tuple[Settings, SmallLake]:
    settings, lake = Settings(home=tmp_path), small_lake()
    write(settings, lake)
    return settings, lake


def _retire(settings: Settings, now: datetime, keep_days: int = 7) -> list[RetiredHour]:
    return list(retire_bronze(open_catalog(settings), keep_days, nullcontext, now=now, quiet_after_seconds=0))


def _offsets(settings: Settings, table: str) -> set[tuple[int, int]]:
    rows = open_catalog(settings).load_table(f"crypto.{table}").scan().to_arrow().to_pylist()
    return {(row["kafka_partition"], row["kafka_offset"]) for row in rows}


def test_nothing_leaves_where_it_is_off_or_young(lake: tuple[Settings, SmallLake]) -> None:
    settings, _ = lake
    assert _retire(settings, HOUR + timedelta(days=900), keep_days=0) == []
    assert _retire(settings, HOUR + timedelta(days=7)) == []


def test_an_old_hour_leaves_and_verify_still_proves_every_promise(lake: tuple[Settings, SmallLake]) -> None:
    settings, held = lake
    before = _offsets(settings, BRONZE.name)
    (outcome,) = _retire(settings, HOUR + timedelta(days=7, hours=1))
    in_hour = [row for row in held.silver if row["dt_hour"] == HOUR]
    assert (outcome.hour, outcome.rows_retired, outcome.unexplained) == (HOUR, len(in_hour), 0)
    left = _offsets(settings, BRONZE.name)
    assert before - left == {(row["kafka_partition"], row["kafka_offset"]) for row in in_hour}
    report = verify(settings)
    assert report.ok, [(check.name, check.examples) for check in report.checks if not check.ok]


def test_a_second_run_has_nothing_left_and_the_next_hour_follows(lake: tuple[Settings, SmallLake]) -> None:
    settings, _ = lake
    _retire(settings, HOUR + timedelta(days=7, hours=1))
    assert _retire(settings, HOUR + timedelta(days=7, hours=1)) == []
    (second,) = _retire(settings, HOUR + timedelta(days=7, hours=2))
    assert second.hour == HOUR + timedelta(hours=1)
    hours = from_text(open_catalog(settings).load_table(BRONZE.identifier).properties[RETIRED_HOURS])
    assert hours == ((int(HOUR.timestamp()) // 3600, int(HOUR.timestamp()) // 3600 + 1),)
    assert verify(settings).ok


def test_an_hour_of_which_silver_lacks_a_row_stays_whole(lake: tuple[Settings, SmallLake]) -> None:
    settings, held = lake
    missing = next(row for row in held.silver if row["dt_hour"] == HOUR)
    silver = open_catalog(settings).load_table(SILVER.identifier)
    silver.delete(f"symbol = '{missing['symbol']}' and agg_id = {missing['agg_id']}")
    before = _offsets(settings, BRONZE.name)
    (outcome,) = _retire(settings, HOUR + timedelta(days=7, hours=1))
    assert (outcome.rows_retired, outcome.unexplained) == (0, 1)
    assert _offsets(settings, BRONZE.name) == before


def test_an_hour_of_which_silver_holds_a_row_that_says_something_else_stays_whole(
    lake: tuple[Settings, SmallLake],
) -> None:
    settings, held = lake
    row = next(each for each in held.silver if each["dt_hour"] == HOUR)
    silver = open_catalog(settings).load_table(SILVER.identifier)
    silver.delete(f"symbol = '{row['symbol']}' and agg_id = {row['agg_id']}")
    append(settings, SILVER, [row | {"price": row["price"] + Decimal("0.00000001")}], {})
    (outcome,) = _retire(settings, HOUR + timedelta(days=7, hours=1))
    assert (outcome.rows_retired, outcome.unexplained) == (0, 1)


def test_an_hour_of_which_quarantine_lacks_a_conflict_stays_whole(lake: tuple[Settings, SmallLake]) -> None:
    settings, held = lake
    conflict = next(row for row in held.quarantine if row["reasons"] == ["same_id_has_same_content"])
    where = f"kafka_partition = {conflict['kafka_partition']} and kafka_offset = {conflict['kafka_offset']}"
    open_catalog(settings).load_table(QUARANTINE.identifier).delete(where)
    (outcome,) = _retire(settings, HOUR + timedelta(days=7, hours=1))
    assert (outcome.rows_retired, outcome.unexplained) == (0, 1)


def test_the_rows_and_the_word_that_they_left_are_one_commit(lake: tuple[Settings, SmallLake]) -> None:
    settings, _ = lake
    before = _offsets(settings, BRONZE.name)

    def die(step: RetentionStep) -> None:
        if step is RetentionStep.WRITTEN:
            raise _Killed

    now = HOUR + timedelta(days=7, hours=1)
    with pytest.raises(_Killed):
        list(retire_bronze(open_catalog(settings), 7, nullcontext, now=now, quiet_after_seconds=0, on_step=die))
    assert RETIRED_HOURS not in open_catalog(settings).load_table(BRONZE.identifier).properties
    assert _offsets(settings, BRONZE.name) == before


def test_a_row_that_silver_lost_after_its_hour_was_retired_is_a_breach(lake: tuple[Settings, SmallLake]) -> None:
    settings, held = lake
    _retire(settings, HOUR + timedelta(days=7, hours=1))
    lost = [row for row in held.silver if row["dt_hour"] == HOUR][5]
    silver = open_catalog(settings).load_table(SILVER.identifier)
    silver.delete(f"symbol = '{lost['symbol']}' and agg_id = {lost['agg_id']}")
    append(settings, SILVER, [], {OFFSETS: held.position().to_json()})
    failed = {check.name for check in verify(settings).checks if not check.ok}
    assert {"bronze_offsets_are_contiguous", "audit_adds_up"} <= failed


def test_silver_cannot_be_rebuilt_from_a_bronze_that_gave_rows_away(lake: tuple[Settings, SmallLake]) -> None:
    settings, _ = lake
    refuse_if_retired(open_catalog(settings))
    _retire(settings, HOUR + timedelta(days=7, hours=1))
    with pytest.raises(BronzeRetiredError, match="1 hours have left"):
        refuse_if_retired(open_catalog(settings))


def _give_back(settings: Settings, held: SmallLake) -> None:
    """A trade of the retired hour comes into bronze, and is silver's: as one that was healed or backfilled there."""
    (row,) = [each for each in held.bronze if (each["symbol"], each["agg_id"]) == ("ALPHA", 1_005)]
    append(settings, BRONZE, [row], {OFFSETS: held.position().to_json()})


def test_a_trade_that_came_into_a_retired_hour_is_there_once(lake: tuple[Settings, SmallLake]) -> None:
    settings, held = lake
    _retire(settings, HOUR + timedelta(days=7, hours=1))
    _give_back(settings, held)
    report = verify(settings)
    assert report.ok, [(check.name, check.examples) for check in report.checks if not check.ok]


def test_a_retired_hour_that_got_a_row_is_retired_again(lake: tuple[Settings, SmallLake]) -> None:
    settings, held = lake
    now = HOUR + timedelta(days=7, hours=1)
    _retire(settings, now)
    _give_back(settings, held)
    # The small lake's duplicate, its rejected row and its conflict are of this hour, and stay.
    assert _retire(settings, now) == [RetiredHour(HOUR, rows_retired=1, rows_kept=3, unexplained=0)]
    assert len([row for row in held.bronze if row["dt_hour"] > HOUR]) + 3 == len(_offsets(settings, BRONZE.name))
    assert _retire(settings, now) == []
    assert verify(settings).ok


def test_a_duplicate_that_came_into_a_retired_hour_stays_and_is_looked_at_once(
    lake: tuple[Settings, SmallLake],
) -> None:
    settings, held = lake
    now = HOUR + timedelta(days=7, hours=1)
    _retire(settings, now)
    (row,) = [each for each in held.bronze if (each["symbol"], each["agg_id"]) == ("ALPHA", 1_005)]
    append(settings, BRONZE, [row | {"kafka_offset": 9_000}], {})
    assert _retire(settings, now) == [RetiredHour(HOUR, rows_retired=0, rows_kept=4, unexplained=0)]
    assert _retire(settings, now) == []


def test_a_file_that_came_into_the_hour_after_the_proof_is_proved_too(lake: tuple[Settings, SmallLake]) -> None:
    settings, held = lake
    (row,) = [each for each in held.bronze if (each["symbol"], each["agg_id"]) == ("ALPHA", 1_005)]
    came = iter([row | {"kafka_offset": 9_000}])

    def come(step: RetentionStep) -> None:
        if step is RetentionStep.PROVED and (late := next(came, None)) is not None:
            append(settings, BRONZE, [late], {})

    now = HOUR + timedelta(days=7, hours=1)
    outcomes = list(retire_bronze(open_catalog(settings), 7, nullcontext, now=now, quiet_after_seconds=0, on_step=come))
    assert [(each.rows_kept, each.unexplained) for each in outcomes] == [(4, 0)]
    assert (PARTITION["ALPHA"], 9_000) in _offsets(settings, BRONZE.name)
