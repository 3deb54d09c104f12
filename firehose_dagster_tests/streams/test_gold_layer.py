"""What the driver keeps of gold between two batches: no more than a feature may look back to."""

from collections.abc import Iterable, Sequence

import pytest

from firehose_dagster.streams.gold_minutes import GoldRow
from firehose_dagster.streams.gold_table import GoldTable
from firehose_dagster_tests.streams.scenario import START, Scenario, microseconds, trade

pytestmark = pytest.mark.spark

FIRST_HOUR = microseconds(START) // 3_600_000_000


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
