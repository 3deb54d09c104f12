"""One hour's figures and seal, worked out by hand."""

from dataclasses import replace

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.lake.exchange_holes import AbsentIds
from firehose_dagster.maintenance.completeness.hour import (
    RANGES_TOLD,
    HeldHour,
    HourRow,
    Unsealed,
    hour_row,
    quiet_hour,
    ranges_from_json,
    ranges_to_json,
    sealed,
)

NOTHING = AbsentIds()


def _held(*gaps: tuple[int, int], present: int = 10, first: int = 100, last: int = 119) -> HeldHour:
    return HeldHour("A", 7, first, last, present, tuple(IdRange(*gap) for gap in gaps))


def _row(*gaps: tuple[int, int], absent: AbsentIds = NOTHING) -> HourRow:
    return hour_row(_held(*gaps), absent)


def _following(*, lacks: bool = False) -> HourRow:
    return hour_row(HeldHour("A", 8, 130, 140, 11, (IdRange(120, 129),) if lacks else ()), NOTHING)


def _sealed(row: HourRow, before: HourRow | None = None, *, following: HourRow | None = None) -> HourRow:
    return sealed(row, before, is_over=True, following=following or _following())


def test_expected_is_what_is_held_and_what_lies_before_it() -> None:
    row = _row((98, 99), (105, 112))
    assert (row.expected, row.present, row.missing, row.exchange_holes) == (20, 10, 10, 0)
    assert row.missing_ranges == (IdRange(98, 99), IdRange(105, 112))
    assert row.lacks_ids_before_its_first
    assert not _row((105, 112)).lacks_ids_before_its_first


def test_exchange_holes_are_not_missing_and_cut_the_ranges() -> None:
    absent = AbsentIds([("A", IdRange(99, 99)), ("A", IdRange(107, 108)), ("B", IdRange(105, 112))])
    row = _row((98, 99), (105, 112), absent=absent)
    assert (row.expected, row.exchange_holes, row.missing) == (20, 3, 7)
    assert row.missing_ranges == (IdRange(98, 98), IdRange(105, 106), IdRange(109, 112))


def test_many_ranges_are_all_counted_and_the_first_are_told() -> None:
    row = _row(*((number, number) for number in range(101, 101 + 4 * RANGES_TOLD, 2)))
    assert row.missing == 2 * RANGES_TOLD
    assert len(row.missing_ranges) == RANGES_TOLD


def test_an_hour_is_sealed_when_it_is_over_and_proven_on_both_sides() -> None:
    assert _sealed(_row()).is_sealed
    assert _sealed(_row()).seal_version == 1


def test_each_reason_against_a_seal_is_told() -> None:
    first = hour_row(replace(_held(), is_start_known=False), NOTHING)
    assert _sealed(first).unsealed_reason is Unsealed.START_UNKNOWN
    assert sealed(_row(), None, is_over=False, following=_following()).unsealed_reason is Unsealed.OPEN
    assert _sealed(_row((105, 105))).unsealed_reason is Unsealed.MISSING
    assert _sealed(_row(), following=_following(lacks=True)).unsealed_reason is Unsealed.MISSING_AT_END
    assert sealed(_row(), None, is_over=True, following=None).unsealed_reason is Unsealed.END_UNKNOWN
    assert _sealed(_row((105, 105))).seal_version == 0


def test_a_hole_that_the_exchange_confirmed_lets_an_hour_be_sealed() -> None:
    assert _sealed(_row((105, 105), absent=AbsentIds([("A", IdRange(105, 105))]))).is_sealed


def test_a_sealed_hour_that_changes_gets_a_new_version_and_one_that_does_not_keeps_its_own() -> None:
    first = _sealed(_row())
    assert _sealed(_row(), first) == first
    more = _sealed(hour_row(_held(present=11), NOTHING), first)
    assert (more.is_sealed, more.seal_version) == (True, 2)


def test_a_sealed_hour_that_lacks_ids_loses_its_seal_and_comes_back_as_the_next_version() -> None:
    first = _sealed(_row())
    broken = _sealed(_row((105, 105)), first)
    assert (broken.is_sealed, broken.seal_version) == (False, 1)
    again = _sealed(_row(), broken)
    assert (again.is_sealed, again.seal_version) == (True, 2)


def test_a_quiet_hour_is_sealed_between_two_that_follow_each_other() -> None:
    quiet = quiet_hour("A", 7)
    assert (_sealed(quiet).is_sealed, quiet.expected, quiet.present) == (True, 0, 0)
    assert _sealed(quiet, following=_following(lacks=True)).unsealed_reason is Unsealed.MISSING_AT_END


def test_ranges_are_written_as_json_and_read_back() -> None:
    ranges = (IdRange(1, 2), IdRange(5, 5))
    assert ranges_to_json(ranges) == "[[1,2],[5,5]]"
    assert ranges_from_json("[[1,2],[5,5]]") == ranges
    assert ranges_from_json(ranges_to_json(())) == ()
