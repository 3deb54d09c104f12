"""Which live ids open a gap, on one connection and on two that overlap."""

import json

from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.tail import SymbolTail, note_message


def _tail(*messages: tuple[int, str]) -> dict[str, SymbolTail]:
    tails: dict[str, SymbolTail] = {}
    for agg_id, source in messages:
        value = json.dumps({"symbol": "BTCUSDT", "agg_id": agg_id, "source": source, "price": "1"}).encode()
        note_message(tails, frozenset(["BTCUSDT"]), value)
    return tails


def _expand(ranges: list[IdRange]) -> list[int]:
    return [agg_id for part in ranges for agg_id in range(part.first, part.last + 1)]


def test_the_first_id_of_a_new_symbol_opens_no_gap() -> None:
    assert Continuity({}).cursor().observe("BTCUSDT", 5_000) == ()


def test_a_gap_leaves_out_what_was_healed_before_it_was_seen() -> None:
    continuity = Continuity({})
    cursor = continuity.cursor()
    cursor.observe("BTCUSDT", 1)
    continuity.hold("BTCUSDT", [4])
    assert cursor.observe("BTCUSDT", 7) == (IdRange(2, 3), IdRange(5, 6))


def test_the_first_live_id_after_a_restart_is_judged_by_the_tail() -> None:
    assert Continuity(_tail((10, "ws"), (11, "ws"))).cursor().observe("BTCUSDT", 15) == (IdRange(12, 14),)


def test_the_first_live_id_of_a_quiet_symbol_is_judged_by_the_lake() -> None:
    cursor = Continuity(_tail((10, "ws")), {"ETHUSDT": 100}).cursor()
    assert cursor.observe("ETHUSDT", 103) == (IdRange(101, 102),)
    assert cursor.observe("BTCUSDT", 11) == ()


def test_the_first_live_id_after_a_reconnect_is_judged_by_where_the_stream_stood() -> None:
    continuity = Continuity({})
    continuity.cursor().observe("BTCUSDT", 5)
    assert continuity.cursor().observe("BTCUSDT", 8) == (IdRange(6, 7),)


def test_a_lone_old_frame_opens_no_gap() -> None:
    cursor = Continuity(_tail((1_000, "ws"))).cursor()
    gaps = [cursor.observe("BTCUSDT", agg_id) for agg_id in (1_001, 3, 1_002, 1_002, 1_003)]
    assert gaps == [()] * 5


def test_gaps_are_seen_again_soon_after_an_id_that_was_far_too_high_and_after_a_reconnect_too() -> None:
    continuity = Continuity(_tail((10, "ws")))
    cursor = continuity.cursor()
    assert cursor.observe("BTCUSDT", 10**15) == (IdRange(11, 10**15 - 1),)
    assert [cursor.observe("BTCUSDT", agg_id) for agg_id in (11, 12)] == [(), ()]
    assert cursor.observe("BTCUSDT", 15) == (IdRange(13, 14),)
    assert continuity.cursor().observe("BTCUSDT", 18) == (IdRange(16, 17),)


def test_an_id_that_kafka_did_not_take_is_missing_again_and_told_once() -> None:
    continuity = Continuity({})
    cursor = continuity.cursor()
    for agg_id in range(1, 10):
        cursor.observe("BTCUSDT", agg_id)
    for agg_id in (4, 5, 8):
        continuity.lose("BTCUSDT", agg_id)
    assert continuity.missing("BTCUSDT", 1, 9) == [IdRange(4, 5), IdRange(8, 8)]
    assert continuity.take_lost() == [("BTCUSDT", IdRange(4, 5)), ("BTCUSDT", IdRange(8, 8))]
    assert continuity.take_lost() == []
    assert cursor.observe("BTCUSDT", 10) == ()


def test_two_connections_that_overlap_need_no_heal() -> None:
    continuity = Continuity({})
    old, new = continuity.cursor(), continuity.cursor(is_overlapping=True)
    old.observe("BTCUSDT", 1)
    assert new.observe("BTCUSDT", 4) == (), "what lies before it may come on the old connection"
    assert not new.overlaps(old)
    assert old.observe("BTCUSDT", 2) == ()
    assert not new.overlaps(old)
    assert old.observe("BTCUSDT", 3) == ()
    assert new.overlaps(old)
    assert new.take_over() == []
    assert new.observe("BTCUSDT", 6) == (IdRange(5, 5),)


def test_a_symbol_that_came_only_on_the_new_connection_does_not_overlap() -> None:
    continuity = Continuity({})
    old, new = continuity.cursor(), continuity.cursor(is_overlapping=True)
    old.observe("BTCUSDT", 1)
    new.observe("ETHUSDT", 1)
    assert not new.overlaps(old)


def test_what_neither_of_two_connections_brought_is_told_when_the_new_one_takes_over() -> None:
    continuity = Continuity({})
    old, new = continuity.cursor(), continuity.cursor(is_overlapping=True)
    old.observe("BTCUSDT", 1)
    new.observe("BTCUSDT", 4)
    old.observe("BTCUSDT", 2)
    assert new.take_over() == [("BTCUSDT", IdRange(3, 3))]


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 20), st.integers(1, 20))
def test_however_two_connections_interleave_only_what_neither_brought_is_missing(
    turns: list[bool], new_begins: int, old_ends: int
) -> None:
    """The old connection brings 1..old_ends, the new one new_begins.., in any interleaving; then the new takes over."""
    continuity = Continuity({})
    old, new = continuity.cursor(), continuity.cursor(is_overlapping=True)
    old.observe("BTCUSDT", 0)
    old_ids, new_ids = list(range(1, old_ends + 1)), list(range(new_begins, 31))
    told: list[IdRange] = []
    for is_old in [*turns, *[True] * 60]:
        if is_old and old_ids:
            told += old.observe("BTCUSDT", old_ids.pop(0))
        elif new_ids:
            told += new.observe("BTCUSDT", new_ids.pop(0))
    told += [ids for _, ids in new.take_over()]
    assert _expand(told) == list(range(old_ends + 1, new_begins))
    assert _expand(continuity.missing("BTCUSDT", 0, 30)) == _expand(told)


def test_a_tail_shows_holes_only_above_its_first_live_id() -> None:
    tail = _tail((3, "rest"), (20, "ws"), (21, "ws"), (25, "ws"), (5, "replay"), (23, "rest"))["BTCUSDT"]
    assert tail.holes() == [IdRange(22, 22), IdRange(24, 24)]


def test_a_tail_of_healed_rows_alone_shows_no_hole() -> None:
    assert _tail((3, "rest"), (9, "rest"))["BTCUSDT"].holes() == []


def test_what_is_no_message_and_other_symbols_are_left_out() -> None:
    tails: dict[str, SymbolTail] = {}
    for value in (None, b"", b"not json", b'{"symbol":"ETHUSDT","agg_id":1,"source":"ws"}', b'{"symbol":"BTCUSDT"}'):
        note_message(tails, frozenset(["BTCUSDT"]), value)
    assert tails == {}
