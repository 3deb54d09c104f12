"""Positions, instants and the tables' three renderings."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.contracts.instants import from_microseconds, to_microseconds
from firehose_dagster.contracts.position import Position

offsets = st.dictionaries(st.integers(0, 50), st.integers(0, 2**62), max_size=5)


@given(offsets)
def test_a_position_reads_back_from_its_json(held: dict[int, int]) -> None:
    position = Position(topic="trades", offsets=held)
    assert Position.from_json(position.to_json()) == position


def test_a_position_is_written_as_sparks_kafka_source_writes_it() -> None:
    assert Position(topic="trades", offsets={10: 2, 1: 17}).to_json() == '{"trades":{"1":17,"10":2}}'


@pytest.mark.parametrize("text", ["{}", "[]", '{"a":{},"b":{}}', "1"])
def test_a_position_that_does_not_name_one_topic_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="names one topic"):
        Position.from_json(text)


@given(offsets, offsets)
def test_a_position_never_goes_back_and_covers_what_it_advanced_to(held: dict[int, int], ends: dict[int, int]) -> None:
    position = Position(topic="trades", offsets=held)
    advanced = position.advanced(ends)
    assert advanced.covers(held)
    assert advanced.covers(ends)
    assert position.covers(ends) == (advanced.covers(ends) and all(held.get(p, 0) >= end for p, end in ends.items()))


@given(st.integers(-62_135_596_800_000_000, 253_402_300_799_999_999))
def test_an_instant_keeps_its_microseconds(epoch_us: int) -> None:
    assert to_microseconds(from_microseconds(epoch_us)) == epoch_us


def test_an_instant_of_another_zone_is_the_same_instant() -> None:
    tokyo = datetime(2026, 1, 1, 9, tzinfo=timezone(timedelta(hours=9)))
    assert from_microseconds(to_microseconds(tokyo)) == datetime(2026, 1, 1, tzinfo=UTC)


def test_an_instant_without_a_zone_is_refused() -> None:
    with pytest.raises(TypeError):
        to_microseconds(datetime(2026, 1, 1))  # noqa: DTZ001 - what is refused
