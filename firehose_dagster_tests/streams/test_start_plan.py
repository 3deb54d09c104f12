"""Where the query starts, from what the tables say and the topic has."""

import json
from collections.abc import Collection

import pytest

from firehose_dagster.contracts.position import Position
from firehose_dagster.streams.start_plan import StartPlan, plan_start
from firehose_dagster.streams.topic_offsets import TopicOffsets, TopicUnusableError

TOPIC = TopicOffsets(begins={0: 3, 1: 0}, ends={0: 20, 1: 5}, topic_id="first")
NOTHING = Position("trades", {})


def plan(silver: dict[int, int], bronze: dict[int, int] | None = None, topic_ids: Collection[str] = ()) -> StartPlan:
    return plan_start(Position("trades", silver), Position("trades", bronze or silver), TOPIC, topic_ids)


def test_the_query_starts_behind_silver_and_at_the_beginning_of_what_was_never_read() -> None:
    made = plan({0: 20}, topic_ids=["first"])
    assert json.loads(made.starting_offsets("trades")) == {"trades": {"0": 20, "1": -2}}
    assert (made.needs_bronze, made.lost) == (False, {})


def test_what_bronze_has_ahead_of_silver_is_read_again_from_the_topic_while_it_is_there() -> None:
    made = plan({0: 5, 1: 2}, {0: 9, 1: 5})
    assert (made.needs_bronze, made.offsets, made.lost) == (False, {0: 5, 1: 2}, {})


def test_what_the_topic_lost_and_bronze_holds_is_taken_from_bronze() -> None:
    made = plan({0: 1, 1: 2}, {0: 9, 1: 5})
    assert (made.needs_bronze, made.lost) == (True, {})


def test_what_retention_removed_before_any_table_had_it_is_told_by_its_offsets() -> None:
    made = plan({0: 1})
    assert (made.needs_bronze, made.offsets, made.lost) == (False, {0: 3, 1: -2}, {0: (1, 3)})


def test_a_loss_behind_what_bronze_holds_needs_bronze_too() -> None:
    made = plan({0: 1}, {0: 2})
    assert (made.needs_bronze, made.lost) == (True, {0: (2, 3)})


def test_a_topic_shorter_than_what_the_lake_holds_is_refused() -> None:
    with pytest.raises(TopicUnusableError, match=r"holds trades partition 0 up to offset 21, but the topic ends at 20"):
        plan({0: 21})


def test_a_topic_that_lacks_a_partition_the_lake_holds_is_refused() -> None:
    with pytest.raises(TopicUnusableError, match=r"partition 2 up to offset 1, but the topic ends at None"):
        plan({2: 1})


def test_a_topic_of_another_id_is_refused_though_its_offsets_would_fit() -> None:
    with pytest.raises(TopicUnusableError, match=r"made anew: .* id zeroth, the broker now has first"):
        plan({0: 5}, topic_ids=["zeroth"])


def test_a_topic_that_only_one_of_two_tables_was_filled_from_is_refused() -> None:
    with pytest.raises(TopicUnusableError, match=r"made anew: .* id zeroth, the broker now has first"):
        plan({0: 5}, topic_ids=["first", "zeroth"])
