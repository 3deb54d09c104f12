"""A topic that loses records twice at one place has lost them once; and who reads bronze passes over them."""

import threading

import pytest

from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.streams.bronze_replay import replay_from_bronze, slices
from firehose_dagster.streams.lost_offsets import accept_loss
from firehose_dagster.streams.rebuild import empty_for_rebuild
from firehose_dagster_tests.streams.scenario import Scenario, trades

pytestmark = pytest.mark.spark


@pytest.fixture
def lost_twice(scenario: Scenario) -> Scenario:
    """Four records held, three lost before a start that took no batch, two more lost before the next, five taken."""
    settings = scenario.settings.model_copy(update={"lost_offsets": "skip"})
    scenario.send(*trades(1, 4))
    scenario.run()
    accept_loss(settings, scenario.catalog, scenario.started(), {0: (4, 7)})
    scenario.kill()
    accept_loss(settings, scenario.catalog, scenario.started(), {0: (4, 9)})
    scenario.send(b"1", b"2", b"3", b"4", b"5", *trades(5, 9, minute=2))
    scenario.process([(0, offset, value) for offset, value in enumerate(scenario.topic[0]) if offset >= 9])
    scenario.stop()
    return scenario


def test_a_second_loss_at_the_same_place_is_excused_once(lost_twice: Scenario) -> None:
    lost_twice.require_proven()
    (check,) = (each for each in lost_twice.judged().checks if each.name == "bronze_offsets_are_contiguous")
    assert check.figures["offsets_lost"] == 5


def test_a_second_loss_at_the_same_place_hides_nothing_that_bronze_lacks(lost_twice: Scenario) -> None:
    lost_twice.catalog.load_table(BRONZE.identifier).delete("kafka_offset = 11")
    (check,) = (each for each in lost_twice.judged().checks if each.name == "bronze_offsets_are_contiguous")
    assert (check.breaches, check.examples) == (1, ("partition 0 lacks the offsets 11 to 11",))


def test_no_slice_of_bronze_reaches_over_what_was_lost() -> None:
    lost = {0: [(4, 7), (4, 9)], 1: [(0, 2)]}
    assert list(slices({0: 2}, {0: 14, 1: 5}, 100, lost)) == [{0: (2, 4), 1: (2, 5)}, {0: (9, 14)}]


def test_silver_made_anew_from_bronze_on_both_sides_of_a_loss_is_proven(lost_twice: Scenario) -> None:
    held = lost_twice
    empty_for_rebuild(held.spark, held.catalog, held.settings, "silver")
    replay_from_bronze(held.spark, held.catalog, held.settings, held.started(), threading.Event())
    held.stop()
    assert held.count("crypto_silver_trades") == 9
    held.require_proven()
