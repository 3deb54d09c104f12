"""A record that broke a rule belongs to quarantine: there, it is left alone; lost from there, it is published again."""

from datetime import timedelta

from firehose_dagster.contracts.trade_tables import QUARANTINE
from firehose_dagster_tests.maintenance.reconciliation.spoiled_lake import Make
from firehose_dagster_tests.verification.small_lake import Row, SmallLake, small_lake


def _rejected(lake: SmallLake) -> Row:
    """The record of bronze that broke a rule; nothing else in quarantine has its text."""
    (rejected,) = (row for row in lake.bronze if row["raw"] is not None)
    return rejected


def test_rejected_records_are_not_published_and_one_that_quarantine_lost_is(make: Make) -> None:
    lake = small_lake()
    rejected = _rejected(lake)
    held = make(lake)
    assert held.reconcile().is_complete
    held.lose(QUARANTINE.identifier, rejected)
    outcome = held.reconcile()
    assert (outcome.rejections_missing, outcome.told_lost) == (1, 1)
    assert [each.value for each in held.topic.published] == [rejected["raw"].encode()]


def test_a_rejection_that_quarantine_lost_is_found_though_it_was_rejected_on_another_day(make: Make) -> None:
    lake = small_lake()
    rejected = _rejected(lake)
    for row in lake.quarantine:
        row["rejected_at"] += timedelta(days=2)
    held = make(lake)
    assert held.reconcile().is_complete
    held.lose(QUARANTINE.identifier, rejected)
    outcome = held.reconcile()
    assert (outcome.rejections_missing, outcome.told_lost) == (1, 1)


def test_a_rejected_record_without_a_time_is_looked_for_too(make: Make) -> None:
    lake = small_lake()
    rejected = _rejected(lake)
    for row in (rejected, *(each for each in lake.quarantine if each["raw"] == "{}")):
        row.update(symbol=None, event_ts=None, dt_hour=None, trade_time=None)
    held = make(lake)
    assert held.reconcile().is_complete
    held.lose(QUARANTINE.identifier, rejected)
    outcome = held.reconcile()
    assert (outcome.rejections_missing, held.topic.published[0].key) == (1, None)
