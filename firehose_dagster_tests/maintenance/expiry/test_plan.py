"""What a reader needs stays, and says why; the rest goes, oldest first."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from firehose_dagster.maintenance.expiry.plan import (
    QUERIES_KEPT,
    ExpiryPolicy,
    Needs,
    Ref,
    SnapshotFacts,
    TableHistory,
    plan,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
POLICY = ExpiryPolicy(min_age=timedelta(minutes=20), min_snapshots=1)
LONG_AGO = NOW - timedelta(hours=5)
STAMP = frozenset({"offsets"})


def _line(count: int, *, unstamped: frozenset[int] = frozenset(), **facts: object) -> TableHistory:
    """Snapshots 1 to `count`, each the parent of the next, superseded long ago; the last is current."""
    return TableHistory(
        current_id=count,
        snapshots=tuple(
            SnapshotFacts(
                snapshot_id=number,
                parent_id=number - 1 if number > 1 else None,
                superseded_at=None if number == count else LONG_AGO,
                stamps=frozenset() if number in unstamped else STAMP,
            )
            for number in range(1, count + 1)
        ),
    )


def test_a_table_without_a_snapshot_has_nothing_to_expire() -> None:
    assert plan(TableHistory(None, ()), Needs(), POLICY, NOW).expire == ()


def test_a_table_that_two_wrote_to_keeps_all_until_it_is_rolled_back() -> None:
    wanted = plan(replace(_line(3), has_other_writer=True), Needs(), POLICY, NOW)
    assert (wanted.expire, wanted.kept_by_reason()) == ((), {"another writer": 3})


def test_old_snapshots_go_oldest_first_and_the_current_one_stays() -> None:
    wanted = plan(_line(4), Needs(), POLICY, NOW)
    assert wanted.expire == (1, 2, 3)
    assert wanted.kept == {4: "position"}


def test_age_counts_from_when_a_snapshot_was_superseded() -> None:
    history = TableHistory(
        2,
        (
            SnapshotFacts(1, None, superseded_at=NOW - timedelta(minutes=19)),
            SnapshotFacts(2, 1, superseded_at=None),
        ),
    )
    assert plan(history, Needs(), POLICY, NOW).kept[1] == "young"
    assert plan(history, Needs(), POLICY, NOW + timedelta(minutes=1)).expire == (1,)


def test_the_line_from_the_current_snapshot_to_the_newest_stamp_stays_whole() -> None:
    wanted = plan(_line(5, unstamped=frozenset({4, 5})), Needs(), POLICY, NOW)
    assert wanted.expire == (1, 2)
    assert set(wanted.kept) == {3, 4, 5}


def test_a_snapshot_that_a_reader_may_still_read_keeps_its_way_back_to_its_stamps() -> None:
    history = TableHistory(
        5,
        (
            SnapshotFacts(1, None, LONG_AGO, STAMP),
            SnapshotFacts(2, 1, LONG_AGO, STAMP),
            SnapshotFacts(3, 2, LONG_AGO),  # maintenance
            SnapshotFacts(4, 3, NOW - timedelta(minutes=1)),  # maintenance, and read until a minute ago
            SnapshotFacts(5, 4, None, STAMP),
        ),
    )
    wanted = plan(history, Needs(), POLICY, NOW)
    assert wanted.expire == (1,)
    assert wanted.kept == {2: "young", 3: "young", 4: "young", 5: "position"}


def test_every_kind_of_stamp_is_found_however_far_back() -> None:
    history = TableHistory(
        3,
        (
            SnapshotFacts(1, None, LONG_AGO, frozenset({"watermark", "offsets"})),
            SnapshotFacts(2, 1, LONG_AGO, frozenset({"offsets"})),
            SnapshotFacts(3, 2, None, frozenset()),
        ),
    )
    assert plan(history, Needs(), POLICY, NOW).expire == ()


def test_a_tag_holds_its_snapshot_and_the_line_to_its_stamp() -> None:
    history = _line(6, unstamped=frozenset({3}))
    tagged = TableHistory(6, history.snapshots, (Ref("sealed", 3),))
    wanted = plan(tagged, Needs(), POLICY, NOW)
    assert wanted.expire == (1, 4, 5)
    assert wanted.kept[3] == wanted.kept[2] == "ref sealed"


def test_a_tag_that_is_older_than_it_may_become_goes_with_its_snapshot() -> None:
    history = _line(3)
    held = TableHistory(3, history.snapshots, (Ref("reader.a", 1, NOW + timedelta(seconds=1)),))
    assert plan(held, Needs(), POLICY, NOW).expire == (2,)
    gone = TableHistory(3, history.snapshots, (Ref("reader.a", 1, NOW),))
    wanted = plan(gone, Needs(), POLICY, NOW)
    assert wanted.expire == (1, 2)
    assert wanted.expired_refs == ("reader.a",)


def test_what_gold_goes_on_from_and_everything_since_stays() -> None:
    wanted = plan(_line(6), Needs(back_to={3: "gold"}), POLICY, NOW)
    assert wanted.expire == (1, 2)
    assert wanted.kept[4] == "gold"


def test_where_gold_stands_outside_the_line_nothing_of_the_line_is_kept_for_it() -> None:
    assert plan(_line(4), Needs(back_to={99: "gold"}), POLICY, NOW).expire == (1, 2, 3)
    beside = TableHistory(4, (*_line(4).snapshots, SnapshotFacts(9, 1, LONG_AGO)))
    assert plan(beside, Needs(back_to={9: "gold"}), POLICY, NOW).expire == (1, 2, 3)


def test_what_kept_gold_snapshots_name_stays() -> None:
    assert plan(_line(4), Needs(named=frozenset({2})), POLICY, NOW).expire == (1, 3)


def test_a_batch_that_is_not_audited_stays_reachable_until_it_is() -> None:
    history = TableHistory(
        4,
        (
            SnapshotFacts(1, None, LONG_AGO, run_id="q/1"),
            SnapshotFacts(2, 1, LONG_AGO, run_id="q/2"),
            SnapshotFacts(3, 2, LONG_AGO, run_id="q/3"),
            SnapshotFacts(4, 3, None, run_id="q/4"),
        ),
    )
    assert plan(history, Needs(unaudited=frozenset({"q/2"})), POLICY, NOW).expire == (1,)
    assert plan(history, Needs(unaudited=frozenset({"q/2", "q/3"})), POLICY, NOW).expire == (1,)
    assert plan(history, Needs(), POLICY, NOW).expire == (1, 2, 3)


def test_the_newest_of_the_latest_queries_stays_and_no_more_of_them_than_ten() -> None:
    history = TableHistory(
        40,
        tuple(
            SnapshotFacts(
                number, number - 1 or None, None if number == 40 else LONG_AGO, STAMP, query_id=f"q{(number - 1) // 2}"
            )
            for number in range(1, 41)
        ),
    )
    wanted = plan(history, Needs(), POLICY, NOW)
    assert sorted(wanted.kept) == list(range(40 - 2 * (QUERIES_KEPT - 1), 41, 2))


def test_at_least_the_newest_few_stay() -> None:
    wanted = plan(_line(5), Needs(), ExpiryPolicy(timedelta(0), min_snapshots=3), NOW)
    assert wanted.expire == (1, 2)


def test_a_snapshot_beside_the_line_goes_once_it_is_old() -> None:
    history = TableHistory(
        3,
        (
            SnapshotFacts(1, None, LONG_AGO, STAMP),
            SnapshotFacts(2, 1, LONG_AGO, STAMP),  # rolled back
            SnapshotFacts(3, 1, None, STAMP),
        ),
    )
    assert plan(history, Needs(), POLICY, NOW).expire == (1, 2)
