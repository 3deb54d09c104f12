"""What follows from the rows: what to ask the gateway for, what to say of an hour, what to draw."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.maintenance.completeness.healing import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    HealMemory,
    plan_heals,
)
from firehose_dagster.maintenance.completeness.hour import HourRow, Unsealed
from firehose_dagster.maintenance.completeness.plot import HOURS_SHOWN, SYMBOLS_SHOWN, grid, plot, plot_markdown
from firehose_dagster.maintenance.completeness.verdicts import verdicts

NOW = 1_800_000_000


def _row(
    symbol: str = "A",
    hour: int = 100,
    *missing: tuple[int, int],
    reason: Unsealed | None = None,
    holes: int = 0,
    present: int = 10,
) -> HourRow:
    ranges = tuple(IdRange(*ids) for ids in missing)
    lacking = sum(len(ids) for ids in ranges)
    why = Unsealed.MISSING if missing else reason
    return HourRow(symbol, hour, 1, 99, present + lacking + holes, present, holes, lacking, ranges, why, 0)


def test_a_range_is_asked_for_when_two_looks_in_a_row_found_it_missing() -> None:
    first = plan_heals([_row("A", 100, (5, 7))], HealMemory(), 1, NOW, 1_000)
    assert first.ask == ()
    # Meanwhile the gateway healed one id by itself: what is left is seen for the first time.
    second = plan_heals([_row("A", 100, (6, 7))], first.memory, 2, NOW + 300, 1_000)
    assert second.ask == ()
    third = plan_heals([_row("A", 100, (6, 7))], second.memory, 3, NOW + 600, 1_000)
    assert third.ask == (("A", 6, 7),)
    assert third.memory.look_id == 3
    assert plan_heals([_row()], third.memory, 4, NOW + 900, 1_000).memory.asked == ()


def test_what_stays_missing_is_asked_for_again_after_pauses_that_double_up_to_six_hours() -> None:
    rows = [_row("A", 100, (5, 7))]
    memory = plan_heals(rows, HealMemory(), 1, NOW, 1_000).memory
    asked_at = []
    for now in range(NOW, NOW + 2 * 86_400, FIRST_PAUSE_SECONDS):
        plan = plan_heals(rows, memory, 1, now, 1_000)
        memory = HealMemory.from_json(plan.memory.to_json())
        if plan.ask:
            asked_at.append(now)
    pauses = [later - earlier for earlier, later in pairwise(asked_at)]
    assert pauses[:6] == [600, 1_200, 2_400, 4_800, 9_600, 19_200]
    assert set(pauses[6:]) == {LONGEST_PAUSE_SECONDS}


def test_a_range_too_long_for_rest_is_told_and_never_asked_for() -> None:
    rows = [_row("A", 100, (1, 1_000), (2_000, 3_000))]
    memory = plan_heals(rows, HealMemory(), 1, NOW, 1_000).memory
    plan = plan_heals(rows, memory, 2, NOW, 1_000)
    assert plan.ask == (("A", 1, 1_000),)
    assert plan.too_long == (("A", 2_000, 3_000),)


@given(
    st.lists(
        st.tuples(st.sampled_from("ABC"), st.integers(1, 9), st.integers(0, 50), st.integers(0, 20)),
        max_size=8,
        unique_by=lambda drawn: (drawn[0], drawn[2]),
    ),
    st.integers(0, 40),
)
def test_no_more_ids_are_asked_for_at_once_than_allowed_and_the_rest_has_its_turn(
    drawn: list[tuple[str, int, int, int]], max_ids: int
) -> None:
    rows = [_row(symbol, hour, (first, first + more)) for symbol, hour, first, more in drawn]
    wanted = {(row.symbol, ids.first, ids.last) for row in rows for ids in row.missing_ranges if len(ids) <= max_ids}
    memory = plan_heals(rows, HealMemory(), 1, NOW, max_ids).memory
    asked: set[tuple[str, int, int]] = set()
    for turn in range(len(rows) + 1):
        plan = plan_heals(rows, memory, turn, NOW, max_ids)
        assert sum(last - first + 1 for _, first, last in plan.ask) <= max_ids
        asked |= set(plan.ask)
        memory = plan.memory
    assert asked == wanted


def test_a_memory_of_another_version_is_an_empty_one() -> None:
    assert HealMemory.from_json("{") == HealMemory.from_json(None) == HealMemory()
    assert HealMemory.from_json('{"asked":[{"other":1}]}') == HealMemory()


def test_an_hour_passes_where_no_symbol_lacks_ids_in_it_or_up_to_its_next_trade() -> None:
    rows = [
        _row("A", 100),
        _row("B", 100, reason=Unsealed.END_UNKNOWN, holes=2),
        _row("A", 101),
        _row("B", 101, (5, 6)),
        _row("A", 102, reason=Unsealed.MISSING_AT_END),
        _row("A", 103, reason=Unsealed.OPEN),
        _row("A", 78, (1, 1)),
    ]
    found = verdicts(rows, 103)
    assert [(each.hour, each.passed, each.lacking) for each in found] == [
        (100, True, []),
        (101, False, ["B"]),
        (102, False, ["A"]),
    ]
    hundred = found[0]
    assert (hundred.symbols, hundred.sealed, hundred.present, hundred.missing, hundred.exchange_holes) == (
        2,
        1,
        20,
        0,
        2,
    )
    assert dict(hundred.unsealed) == {"end_unknown": 1}


def test_the_picture_shows_each_hour_of_each_symbol_the_worst_first() -> None:
    rows = [
        _row("GOOD", 100),
        _row("GOOD", 99, reason=Unsealed.OPEN),
        _row("GOOD", 98, reason=Unsealed.MISSING_AT_END),
        _row("GOOD", 97, reason=Unsealed.START_UNKNOWN),
        _row("BAD", 100, (1, 5)),
        _row("OLD", 100 - HOURS_SHOWN),
    ]
    symbols, lines = grid(rows, 100)
    assert symbols == ["BAD", "GOOD", "OLD"]
    assert lines[0] == [0] * (HOURS_SHOWN - 1) + [4]
    assert lines[1][-4:] == [2, 3, 2, 1]
    assert set(lines[2]) == {0}
    assert len(grid([_row(f"S{number}") for number in range(99)], 100)[0]) == SYMBOLS_SHOWN


def test_the_picture_is_a_small_png_within_markdown() -> None:
    rows = [_row(f"S{number}USDT", hour) for number in range(30) for hour in range(29, 101)]
    picture = plot(rows, 100)
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 60_000
    assert plot_markdown(rows, 100).startswith("![completeness of the last 72 hours](data:image/png;base64,iVBOR")


def test_what_was_asked_for_in_the_future_is_asked_for_again_for_the_clock_was_set_back() -> None:
    rows = [_row("A", 100, (5, 7))]
    memory = plan_heals(rows, HealMemory(), 1, NOW, 1_000).memory
    memory = plan_heals(rows, memory, 2, NOW, 1_000).memory
    assert plan_heals(rows, memory, 3, NOW + 10, 1_000).ask == ()
    assert plan_heals(rows, memory, 3, NOW - 3_600, 1_000).ask == (("A", 5, 7),)
