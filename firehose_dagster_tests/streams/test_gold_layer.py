"""What the driver keeps of gold between two batches: no more than a feature may look back to."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from firehose_dagster.contracts.position import SILVER_SNAPSHOT
from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.snapshots import lineage, stamp
from firehose_dagster.streams import gold_layer
from firehose_dagster.streams.gold_layer import hour_spans
from firehose_dagster.streams.gold_minutes import GoldRow
from firehose_dagster.streams.gold_table import GoldTable
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.rebuild import empty_for_rebuild
from firehose_dagster_tests.streams.scenario import START, Scenario, microseconds, trade, trades

pytestmark = pytest.mark.spark

FIRST_HOUR = microseconds(START) // 3_600_000_000


def test_hours_are_taken_together_up_to_so_many_minutes_and_a_larger_one_by_itself() -> None:
    minutes = {7: 30, 5: 60, 9: 10, 6: 40, 20: 500, 21: 1, 30: 99}
    assert hour_spans(minutes, 100) == [range(5, 7), range(7, 10), range(20, 21), range(21, 31)]
    assert hour_spans({}, 100) == []


@pytest.fixture
def in_parts(scenario: Scenario, monkeypatch: pytest.MonkeyPatch) -> Scenario:
    """Four hours of gold, emptied, to be made anew an hour at a time."""
    scenario.send(
        *trades(1, 40), *trades(41, 80, minute=60), *trades(81, 100, minute=120), *trades(101, 140, minute=180)
    )
    scenario.run()
    scenario.stop()
    empty_for_rebuild(scenario.spark, scenario.catalog, scenario.settings, "gold")
    monkeypatch.setattr(gold_layer, "MINUTES_A_COMMIT", 1)
    return scenario


def _commits(scenario: Scenario) -> list[str | None]:
    """The silver snapshot that each commit of gold since it was emptied names, oldest first."""
    named = [stamp(snapshot, SILVER_SNAPSHOT) for snapshot in lineage(scenario.catalog.load_table(GOLD.identifier))]
    return list(reversed(named[: named.index("")]))


def test_much_of_gold_is_made_anew_hour_by_hour_and_the_last_commit_says_from_what(in_parts: Scenario) -> None:
    in_parts.started()
    silver = in_parts.catalog.load_table(SILVER.identifier).current_snapshot()
    assert silver is not None
    commits = _commits(in_parts)
    assert commits == [None] * (len(commits) - 1) + [str(silver.snapshot_id)]
    assert len(commits) == 4
    in_parts.stop()
    in_parts.require_proven()


def test_a_crash_between_two_hours_is_begun_again_and_ends_in_the_same_gold(
    in_parts: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace = GoldTable.replace

    def full(table: GoldTable, *arguments: Any) -> int:
        if len(_commits(in_parts)) == 2:
            raise OSError("no space left on device")
        return replace(table, *arguments)

    with monkeypatch.context() as patched:
        patched.setattr(GoldTable, "replace", full)
        with pytest.raises(LayerFailedError, match="no space left"):
            in_parts.started()
    assert _commits(in_parts) == [None, None]
    in_parts.run()
    in_parts.stop()
    in_parts.require_proven()


def test_where_the_last_hour_needs_no_change_it_is_still_said_what_gold_was_made_from(in_parts: Scenario) -> None:
    in_parts.started()
    in_parts.kill()
    # As if the last commit had lost its stamp: nothing is left to be done but to set it.
    table = DriverTable(in_parts.spark, GOLD, in_parts.settings)
    table.append(table.arrow({name: [] for name in GOLD.column_names}), {SILVER_SNAPSHOT: ""})
    in_parts.run()
    assert len(_commits(in_parts)) == 1
    in_parts.stop()
    in_parts.require_proven()


def test_a_silver_that_was_rolled_back_is_told_with_the_remedy_and_gold_made_anew_goes_on(scenario: Scenario) -> None:
    scenario.send(*trades(1, 10))
    scenario.run()
    before = scenario.catalog.load_table(SILVER.identifier).current_snapshot()
    assert before is not None
    scenario.send(*trades(11, 20, minute=5))
    scenario.run()
    scenario.stop()
    scenario.spark.sql(f"CALL lake.system.rollback_to_snapshot('{SILVER.identifier}', {before.snapshot_id})")
    with pytest.raises(LayerFailedError, match=r"crypto_gold_minute failed: .*rolled back.*`firehose rebuild gold`"):
        scenario.started()
    empty_for_rebuild(scenario.spark, scenario.catalog, scenario.settings, "gold")
    scenario.run()
    scenario.stop()
    assert scenario.count("crypto_silver_trades") == 20
    # The audit tells of the rows that were taken back: the runbook says so.
    assert [check.name for check in scenario.judged().checks if not check.ok] == ["audit_adds_up"]


def test_hours_long_final_are_let_go_and_read_again_for_a_late_trade(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    rows = GoldTable.rows

    def noted(table: GoldTable, hours: Iterable[int]) -> Sequence[GoldRow]:
        hours = list(hours)
        read.extend(hours)
        return rows(table, hours)

    monkeypatch.setattr(GoldTable, "rows", noted)
    scenario.send(trade(1, 0), trade(3, 240), trade(4, 300))
    scenario.run()
    # The hour at work, and the one before it, stay.
    scenario.send(trade(5, 301))
    scenario.run()
    assert read == []
    scenario.send(trade(2, 1))
    scenario.run()
    scenario.stop()
    assert FIRST_HOUR in read
    scenario.require_proven()
