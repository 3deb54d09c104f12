"""Completeness as Dagster runs it: the look, the verdicts on hours, and what the gateway is asked for."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.defs import completeness
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.gateway.heal_requests import HealRequest, pending
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.completeness.growing_lake import (
    ELEVEN,
    NINE,
    TEN,
    TWELVE,
    GrowingLake,
    new_lake,
)

KEY = completeness.KEY


@pytest.fixture
def lake(tmp_path: Path) -> GrowingLake:
    return new_lake(Settings(home=tmp_path / "home"))


def _run(lake: GrowingLake, job_name: str) -> dg.ExecuteInProcessResult:
    definitions = dg.Definitions(
        assets=[completeness.completeness_look],
        asset_checks=[completeness.hours_are_complete],
        jobs=[completeness.completeness, completeness.judge_hours],
        resources={"firehose": FirehoseResource(home=str(lake.settings.home))},
    )
    with dg.DagsterInstance.ephemeral() as instance:
        return definitions.resolve_job_def(job_name).execute_in_process(instance=instance)


def _look(lake: GrowingLake) -> dict[str, object]:
    result = _run(lake, "completeness")
    assert result.success
    assert result.get_asset_check_evaluations() == []
    (event,) = result.get_asset_materialization_events()
    return {key: value.value for key, value in event.materialization.metadata.items()}


def _verdicts(lake: GrowingLake) -> dict[str, dg.AssetCheckEvaluation]:
    result = _run(lake, "judge_hours")
    assert result.success
    return {each.check_name: each for each in result.get_asset_check_evaluations()}


def _sense(lake: GrowingLake, cursor: str | None) -> tuple[str, str | None]:
    """What the sensor says, and what it remembers."""
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        result = completeness.heal_missing_trades(context, firehose=FirehoseResource(home=str(lake.settings.home)))
    assert isinstance(result, dg.SensorResult)
    assert isinstance(result.skip_reason, dg.SkipReason)
    return str(result.skip_reason.skip_message), result.cursor


def _filled(lake: GrowingLake) -> None:
    """10:00 is complete, 11:00 lacks two ids."""
    lake.hold((range(1, 5), NINE), (range(5, 10), TEN), ([10, 13, 14], ELEVEN))
    lake.hold((range(15, 20), TWELVE + timedelta(minutes=40)))


def test_a_look_shows_what_is_missing_and_draws_it(lake: GrowingLake) -> None:
    _filled(lake)
    shown = _look(lake)
    assert (shown["rows written"], shown["hours sealed"], shown["ids missing in these hours"]) == (4, 1, 2)
    assert shown["dagster/row_count"] == 4
    assert "| BTCUSDT | 2026-01-05 11h | 2 | 5 | 11..12 |" in str(shown["what is missing"])
    assert str(shown["completeness over time"]).startswith("![completeness of the last 72 hours](data:image/png")
    # Nothing new: no picture again.
    assert "completeness over time" not in _look(lake)


def test_a_look_at_an_empty_lake_does_no_harm(lake: GrowingLake) -> None:
    assert _look(lake)["rows written"] == 0
    assert _verdicts(lake) == {}


def test_each_hour_that_is_over_has_its_verdict_by_its_name(lake: GrowingLake) -> None:
    _filled(lake)
    _look(lake)
    found = _verdicts(lake)
    assert {name: each.passed for name, each in found.items()} == {
        "hour_09_utc_is_complete": True,
        "hour_10_utc_is_complete": True,
        "hour_11_utc_is_complete": False,
    }
    eleven = found["hour_11_utc_is_complete"]
    assert eleven.severity == dg.AssetCheckSeverity.ERROR
    assert {key: eleven.metadata[key].value for key in ("hour", "ids missing", "symbols that lack ids")} == {
        "hour": "2026-01-05T11:00:00+00:00",
        "ids missing": 2,
        "symbols that lack ids": "BTCUSDT",
    }


def test_the_gateway_is_asked_for_what_two_looks_found_missing(lake: GrowingLake) -> None:
    _filled(lake)
    assert _sense(lake, None)[0] == "no look since"
    lake.look()
    told, cursor = _sense(lake, None)
    assert told == "asked for 0 ids in 0 ranges; 1 ranges are missing"
    assert pending(lake.settings) == {}
    assert _sense(lake, cursor) == ("no look since", cursor)
    lake.hold((range(20, 22), TWELVE + timedelta(minutes=41)))
    lake.look()
    told, cursor = _sense(lake, cursor)
    assert told == "asked for 2 ids in 1 ranges; 1 ranges are missing"
    assert list(pending(lake.settings).values()) == [[HealRequest("BTCUSDT", 11, 12)]]


@pytest.mark.parametrize("days", [9, 40])
def test_what_a_topic_lost_unread_is_asked_for_however_long_ago_it_was(lake: GrowingLake, days: int) -> None:
    # Retention takes whole segments: the first record that is left, whose hour tells the gap, is older than it keeps.
    then = datetime.now(UTC) - timedelta(days=days)
    lake.hold((range(1, 5), then - timedelta(hours=2)), (range(10, 12), then))
    lake.look()
    _, cursor = _sense(lake, None)
    lake.hold((range(12, 14), datetime.now(UTC)))
    lake.look()
    assert _sense(lake, cursor)[0] == "asked for 5 ids in 1 ranges; 1 ranges are missing"
    assert list(pending(lake.settings).values()) == [[HealRequest("BTCUSDT", 5, 9)]]


def test_what_is_too_long_for_rest_is_left_to_the_archive(lake: GrowingLake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FIREHOSE_COMPLETENESS_HEAL_MAX_IDS", "1")
    _filled(lake)
    lake.look()
    told, _ = _sense(lake, None)
    assert told.endswith("too long for REST, use `firehose backfill`: BTCUSDT 11..12")


def test_a_lake_that_was_never_made_has_nothing_to_heal(tmp_path: Path) -> None:
    lake = GrowingLake(Settings(home=tmp_path), None)  # type: ignore[arg-type] # there is none
    assert _sense(lake, None)[0] == "there was no look at completeness yet"


def test_schedules_and_sensor_are_on_by_default() -> None:
    assert completeness.every_five_minutes.default_status == dg.DefaultScheduleStatus.RUNNING
    assert completeness.hourly.default_status == dg.DefaultScheduleStatus.RUNNING
    assert completeness.heal_missing_trades.default_status == dg.DefaultSensorStatus.RUNNING
    assert KEY.to_user_string() == "ops_completeness"
