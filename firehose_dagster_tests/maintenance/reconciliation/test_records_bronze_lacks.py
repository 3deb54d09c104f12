"""A record that the topic has and bronze lacks is published again as it lies there, or told as gone."""

from contextlib import nullcontext
from datetime import timedelta

from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.maintenance.retention.bronze import retire_bronze
from firehose_dagster_tests.maintenance.reconciliation.spoiled_lake import (
    FIRST_OFFSET,
    FIRST_OVER,
    NINE,
    Make,
    value_of,
)
from firehose_dagster_tests.verification.small_lake import append


def test_a_record_that_bronze_lacks_is_published_as_it_lies_in_the_topic(make: Make) -> None:
    held = make()
    lost = held.lake.bronze[5]
    held.lose(BRONZE.identifier, lost)
    outcome = held.reconcile()
    assert (outcome.holes, outcome.published, outcome.told_lost) == ({"wanted": 1}, 1, 1)
    (record,) = held.topic.published
    assert (record.key, record.value) == (b"key", value_of(lost))
    # Its offset is excused from then on; that silver's row has no record is not, before what was published is taken.
    assert held.breaches() == {"silver_equals_bronze"}
    held.topic.published.clear()
    held.take()
    assert held.breaches() == set()
    after = held.reconcile()
    assert (after.holes, after.is_complete, after.told_lost) == ({"held again": 1}, True, 0)
    assert held.topic.published == []
    # Its offset stays a hole, which is not looked into again while nothing changes.
    assert held.reconcile().holes == {}


def test_a_record_that_bronze_lacks_and_the_topic_has_no_more_is_told_as_gone(make: Make) -> None:
    held = make()
    lost = held.lake.bronze[5]
    held.lose(BRONZE.identifier, lost)
    held.topic.values[lost["kafka_partition"]][lost["kafka_offset"] - FIRST_OFFSET[lost["kafka_partition"]]] = None
    outcome = held.reconcile()
    assert (outcome.holes, outcome.published, outcome.is_complete) == ({"gone": 1}, 0, False)
    assert outcome.summary == "bronze lacks 1 records that the topic has no more"


def test_a_record_that_bronze_lacks_is_found_although_bronze_holds_another_one_twice(make: Make) -> None:
    held = make()
    lost = held.lake.bronze[5]
    twin = next(row for row in held.lake.bronze[6:] if row["kafka_partition"] == lost["kafka_partition"])
    held.lose(BRONZE.identifier, lost)
    append(held.settings, BRONZE, [twin], {})
    outcome = held.reconcile()
    assert (outcome.holes, outcome.published) == ({"wanted": 1}, 1)


def test_a_record_that_bronze_lacks_and_quarantine_holds_is_left_as_it_is(make: Make) -> None:
    held = make()
    (rejected,) = (row for row in held.lake.bronze if row["raw"] is not None)
    held.lose(BRONZE.identifier, rejected)
    outcome = held.reconcile()
    assert (outcome.holes, outcome.published, outcome.is_complete) == ({"quarantined": 1}, 0, True)


def test_a_record_of_an_hour_that_is_not_over_stays_in_the_topic_alone(make: Make) -> None:
    held = make(watermark=FIRST_OVER)
    held.lose(BRONZE.identifier, next(row for row in held.lake.bronze if row["event_ts"] > NINE + timedelta(hours=1)))
    outcome = held.reconcile()
    assert (outcome.holes, outcome.published) == ({"open": 1}, 0)


def test_what_left_bronze_by_age_is_no_hole_and_no_loss(make: Make) -> None:
    held = make()
    assert all(
        not each.unexplained
        for each in retire_bronze(held.catalog, 1, nullcontext, now=NINE + timedelta(days=9), quiet_after_seconds=0)
    )
    outcome = held.reconcile()
    assert (outcome.is_complete, outcome.holes, outcome.told_lost) == (True, {}, 0)
