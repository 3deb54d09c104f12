"""A small lake that lost a row: it is published once, told in the audit, and never where the hour is not over."""

import json
from datetime import timedelta
from pathlib import Path

import pytest
from filelock import FileLock

from firehose_dagster.contracts.position import OFFSETS, ROWS_LOST, Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.maintenance.reconciliation.memory import KIND
from firehose_dagster.maintenance.reconciliation.reconcile import (
    LOCK_FILE,
    AnotherReconciliationError,
    ReplayIncompleteError,
)
from firehose_dagster.maintenance.reconciliation.topic import TopicMadeAnewError
from firehose_dagster_tests.maintenance.reconciliation.spoiled_lake import (
    BOTH_OVER,
    FIRST_OVER,
    NINE,
    Installation,
    Make,
    value_of,
)
from firehose_dagster_tests.verification.small_lake import TOPIC, append, small_lake


def test_a_whole_lake_is_complete_and_the_next_run_reads_nothing_of_it(make: Make) -> None:
    held = make(watermark=NINE + timedelta(days=2))
    first = held.reconcile()
    assert (first.is_complete, first.hours_read, first.published, first.told_lost) == (True, 2, 0, 0)
    second = held.reconcile()
    assert (second.is_complete, second.hours_read, second.summary) == (True, 0, first.summary)
    assert [json.loads(row["detail"])["hours_read"] for row in held.audit(KIND)] == [2, 0]


def test_a_row_lost_from_silver_is_published_once_and_the_lake_is_proven_again(make: Make) -> None:
    held = make()
    lost = held.lake.bronze[6]
    held.lose(SILVER.identifier, lost)
    assert held.breaches() == {
        "silver_is_contiguous",
        "rows_are_conserved",
        "audit_adds_up",
        "rest_is_duplicates",
    }
    outcome = held.reconcile()
    assert (outcome.trades_missing, outcome.published, outcome.is_complete) == (1, 1, False)
    (message,) = held.published()
    assert {name: message[name] for name in ("symbol", "agg_id", "price", "qty", "source")} == {
        "symbol": lost["symbol"],
        "agg_id": lost["agg_id"],
        "price": str(lost["price"]),
        "qty": str(lost["qty"]),
        "source": "replay",
    }
    # Not taken by the stream yet: another run would publish it a second time.
    waiting = held.reconcile()
    assert (waiting.published, waiting.waiting) == (0, "the stream has not taken 1 records of the topic yet")
    held.take()
    assert held.breaches() == set()
    after = held.reconcile()
    assert (after.is_complete, after.published, after.told_lost) == (True, 0, 0)
    assert len(held.published()) == 1
    assert len(held.audit(ROWS_LOST)) == 1


def test_a_row_lost_from_a_day_that_was_settled_is_found(make: Make) -> None:
    held = make()
    assert held.reconcile().is_complete
    held.lose(SILVER.identifier, held.lake.bronze[6])
    outcome = held.reconcile()
    assert (outcome.trades_missing, outcome.published) == (1, 1)


def test_what_silver_has_not_taken_yet_is_not_missing(make: Make) -> None:
    held = make()
    known = held.lake.bronze[0]
    partition = known["kafka_partition"]
    new = known | {"agg_id": 9_998, "kafka_offset": held.ends[partition]}
    held.topic.values[partition].append(value_of(new))
    taken = Position(TOPIC, held.ends | {partition: held.ends[partition] + 1})
    append(held.settings, BRONZE, [new], {OFFSETS: taken.to_json()})
    outcome = held.reconcile()
    assert (outcome.trades_missing, outcome.published) == (0, 0)
    assert outcome.waiting == "the stream has not taken 1 records of the topic yet"


def test_a_trade_that_came_back_by_another_way_is_told_as_lost_so_that_the_audit_adds_up(make: Make) -> None:
    held = make()
    lost = held.lake.bronze[6]
    held.lose(SILVER.identifier, lost)
    held.topic.values[lost["kafka_partition"]].append(value_of(lost | {"source": "rest"}))
    held.take()
    assert held.breaches() == {"rows_are_conserved", "audit_adds_up"}
    outcome = held.reconcile()
    assert (outcome.published, outcome.told_lost, outcome.is_complete) == (0, 1, True)
    assert held.breaches() == set()


def test_an_hour_that_is_not_over_is_left_alone(make: Make) -> None:
    held = make(watermark=FIRST_OVER)
    held.lose(SILVER.identifier, next(row for row in held.lake.silver if row["event_ts"] > NINE + timedelta(hours=1)))
    outcome = held.reconcile()
    assert (outcome.hours_read, outcome.trades_missing, held.topic.published) == (1, 0, [])
    held.watch(BOTH_OVER)
    assert held.reconcile().trades_missing == 1


def test_nothing_is_known_to_be_over_before_completeness_was_looked_at(tmp_path: Path) -> None:
    held = Installation(tmp_path, small_lake())
    held.lose(SILVER.identifier, held.lake.bronze[6])
    outcome = held.reconcile()
    assert (outcome.hours_read, outcome.published) == (0, 0)
    assert outcome.summary == "no hour is known to be over: there was no look at completeness yet"


@pytest.mark.parametrize("table", [SILVER, BRONZE], ids=["silver", "bronze"])
@pytest.mark.parametrize("ran_before", [False, True], ids=["the first run", "a later run"])
def test_a_run_that_died_before_it_published_tells_nothing_twice(
    make: Make, monkeypatch: pytest.MonkeyPatch, table: Table, *, ran_before: bool
) -> None:
    held = make()
    if ran_before:
        assert held.reconcile().is_complete
    held.lose(table.identifier, held.lake.bronze[6])

    def die(records: object) -> int:
        raise InterruptedError

    with monkeypatch.context() as patched:
        patched.setattr(held.topic, "publish", die)
        with pytest.raises(InterruptedError):
            held.reconcile()
    assert len(held.audit(ROWS_LOST)) == 1
    outcome = held.reconcile()
    assert (outcome.published, outcome.told_lost, len(held.audit(ROWS_LOST))) == (1, 0, 1)


def test_records_that_kafka_does_not_confirm_are_an_error_behind_the_row_of_the_run(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = make()
    held.lose(SILVER.identifier, held.lake.bronze[6])
    monkeypatch.setattr(held.topic, "publish", lambda records: 0)
    with pytest.raises(ReplayIncompleteError, match="did not confirm 1 of the records"):
        held.reconcile()
    assert len(held.audit(KIND)) == 1


def test_a_run_that_only_looks_publishes_and_tells_nothing(make: Make) -> None:
    held = make()
    held.lose(SILVER.identifier, held.lake.bronze[6])
    outcome = held.reconcile(dry_run=True)
    assert (outcome.trades_missing, outcome.published, held.topic.published) == (1, 0, [])
    assert held.audit(ROWS_LOST) == []
    assert held.reconcile().published == 1


def test_a_topic_that_ends_before_what_the_lake_holds_is_refused(make: Make) -> None:
    held = make()
    del held.topic.values[0][-1]
    with pytest.raises(TopicMadeAnewError, match=r"the lake holds more than the topic ever had \(partition 0 up to"):
        held.reconcile()


@pytest.mark.parametrize("table", [BRONZE, SILVER], ids=lambda table: table.name)
def test_a_topic_of_another_id_than_bronze_or_silver_was_told_is_refused(make: Make, table: Table) -> None:
    held = make()
    held.tell_topic(table, "this one")
    held.topic.topic_id = "another"
    with pytest.raises(TopicMadeAnewError, match="with id this one, the broker now has another"):
        held.reconcile()


def test_two_at_a_time_are_refused(make: Make) -> None:
    held = make()
    with FileLock(held.settings.state_dir / LOCK_FILE), pytest.raises(AnotherReconciliationError, match="at work"):
        held.reconcile()
