"""The plan: which files of which partitions are merged, worked out by hand; and that it comes to rest."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.maintenance.compaction.live_files import LakeFile
from firehose_dagster.maintenance.compaction.plan import (
    EVERY_PARTITION,
    NO_PARTITION,
    Group,
    Thresholds,
    open_from,
    partition_start,
    plan,
)

THRESHOLDS = Thresholds(min_files=3, max_rows=100)
OPEN = 10
HOUR_US = 3_600_000_000


def file(name: str, rows: int, partition: int | None = 1, *, is_sorted: bool = False, sequence: int = 0) -> LakeFile:
    return LakeFile(name, partition, rows, rows * 10, sequence, is_sorted)


def merged(*files: LakeFile) -> list[list[str]]:
    """The paths of each group."""
    return [[each.path for each in group.files] for group in plan(files, OPEN, THRESHOLDS).groups]


def test_small_files_of_a_closed_partition_become_one_in_the_order_of_their_commits() -> None:
    assert merged(file("b", 5, sequence=2), file("a", 5, sequence=3), file("c", 5, sequence=1)) == [["c", "b", "a"]]


def test_fewer_files_than_the_threshold_are_left() -> None:
    made = plan([file("a", 5), file("b", 5)], OPEN, THRESHOLDS)
    assert made.groups == ()
    assert made.compact_partitions == 1


def test_the_open_partition_is_not_touched() -> None:
    made = plan([file(name, 5, partition) for partition in (9, 10, 11) for name in "abc"], OPEN, THRESHOLDS)
    assert [group.partition for group in made.groups] == [9]
    assert made.open_partitions == 2


def test_rows_without_a_time_are_merged_too_though_their_partition_never_closes() -> None:
    assert merged(*(file(name, 5, None) for name in "abc")) == [["a", "b", "c"]]


def test_partitions_with_most_files_come_first() -> None:
    made = plan([file(f"{p}{n}", 1, p) for p in (1, 2, 3) for n in range(2 + p)], OPEN, THRESHOLDS)
    assert [group.partition for group in made.groups] == [3, 2, 1]


def test_a_partition_larger_than_a_file_becomes_several() -> None:
    assert merged(*(file(name, 40, sequence=number) for number, name in enumerate("abcde"))) == [
        ["a", "b"],
        ["c", "d"],
        ["e"],
    ]


def test_a_sorted_file_that_is_nearly_full_is_never_read_again() -> None:
    later = [file(name, 10, sequence=1) for name in "abc"]
    assert merged(file("full", 75, is_sorted=True), *later) == [["a", "b", "c"]]


def test_a_late_row_does_not_cost_the_rewriting_of_the_hour() -> None:
    assert merged(file("large", 48, is_sorted=True), *(file(name, 2) for name in "abc")) == [["a", "b", "c"]]


def test_the_large_file_is_merged_again_once_the_rest_has_grown() -> None:
    (group,) = merged(file("large", 47, is_sorted=True), *(file(name, 2) for name in "abc"))
    assert sorted(group) == ["a", "b", "c", "large"]


def test_a_group_says_why() -> None:
    (group,) = plan([file("a", 1), file("b", 2), file("c", 3, is_sorted=True)], OPEN, THRESHOLDS).groups
    assert group.reason == "3 files of 20 bytes on average, 2 of them unsorted, become 1"
    assert (group.rows, group.size_bytes) == (6, 60)


def test_an_hour_is_closed_when_it_ended_before_the_watermark_and_the_margin() -> None:
    margin = timedelta(minutes=15)
    assert open_from(SILVER, 5 * HOUR_US + 15 * 60_000_000, margin) == 5
    assert open_from(SILVER, 5 * HOUR_US + 15 * 60_000_000 - 1, margin) == 4


def test_without_a_watermark_no_hour_is_closed_and_days_are_always_merged() -> None:
    assert open_from(SILVER, None, timedelta()) == NO_PARTITION
    assert open_from(OPS_AUDIT, None, timedelta()) == EVERY_PARTITION


@pytest.mark.parametrize(
    ("table", "partition", "text"),
    [
        (SILVER, 491_001, "2026-01-05T09:00Z"),
        (OPS_AUDIT, 20_458, "2026-01-05T00:00Z"),
        (SILVER, None, "without a time"),
    ],
)
def test_a_partition_is_written_as_people_do(table: object, partition: int | None, text: str) -> None:
    assert partition_start(table, partition) == text  # type: ignore[arg-type]  # parametrize loses the type


def _executed(files: list[LakeFile], groups: tuple[Group, ...]) -> list[LakeFile]:
    replaced = {each.path for group in groups for each in group.files}
    new = [
        file(
            f"new {number} {group.files[0].path}", group.rows, group.partition, is_sorted=True, sequence=1_000 + number
        )
        for number, group in enumerate(groups)
    ]
    return [each for each in files if each.path not in replaced] + new


@given(st.lists(st.tuples(st.integers(1, 150), st.integers(1, 2), st.booleans()), max_size=40))
def test_compaction_loses_no_file_merges_none_twice_and_comes_to_rest(shapes: list[tuple[int, int, bool]]) -> None:
    files = [
        file(str(number), rows, partition, is_sorted=is_sorted, sequence=number)
        for number, (rows, partition, is_sorted) in enumerate(shapes)
    ]
    for _ in range(12):
        groups = plan(files, OPEN, THRESHOLDS).groups
        if not groups:
            break
        planned = [each.path for group in groups for each in group.files]
        assert len(planned) == len(set(planned))
        after = _executed(files, groups)
        assert sum(each.rows for each in after) == sum(each.rows for each in files)
        assert len(after) <= len(files)
        files = after
    assert plan(files, OPEN, THRESHOLDS).groups == ()
