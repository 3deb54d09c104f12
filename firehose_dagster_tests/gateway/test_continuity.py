"""Which live ids open a gap."""

import json

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.tail import SymbolTail, note_message


def _tail(*messages: tuple[int, str]) -> dict[str, SymbolTail]:
    tails: dict[str, SymbolTail] = {}
    for agg_id, source in messages:
        value = json.dumps({"symbol": "BTCUSDT", "agg_id": agg_id, "source": source, "price": "1"}).encode()
        note_message(tails, frozenset(["BTCUSDT"]), value)
    return tails


def test_the_first_id_of_a_new_symbol_opens_no_gap() -> None:
    assert Continuity({}).observe("BTCUSDT", 5_000) == ()


def test_a_gap_leaves_out_what_was_healed_before_it_was_seen() -> None:
    continuity = Continuity({})
    continuity.observe("BTCUSDT", 1)
    assert continuity.hold("BTCUSDT", 4)
    assert not continuity.hold("BTCUSDT", 4)
    assert continuity.observe("BTCUSDT", 7) == (IdRange(2, 3), IdRange(5, 6))


def test_the_first_live_id_after_a_restart_is_judged_by_the_tail() -> None:
    continuity = Continuity(_tail((10, "ws"), (11, "ws")))
    assert continuity.observe("BTCUSDT", 15) == (IdRange(12, 14),)


def test_a_lone_old_frame_opens_no_gap() -> None:
    continuity = Continuity(_tail((1_000, "ws")))
    gaps = [continuity.observe("BTCUSDT", agg_id) for agg_id in (1_001, 3, 1_002, 1_002, 1_003)]
    assert gaps == [()] * 5


def test_gaps_are_seen_again_soon_after_an_id_that_was_far_too_high() -> None:
    continuity = Continuity(_tail((10, "ws")))
    assert continuity.observe("BTCUSDT", 10**15) == (IdRange(11, 10**15 - 1),)
    assert [continuity.observe("BTCUSDT", agg_id) for agg_id in (11, 12)] == [(), ()]
    assert continuity.observe("BTCUSDT", 15) == (IdRange(13, 14),)


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
