from firehose_dagster.simulator.fault_kinds import Delay, Duplicate, Mute, Reorder, Skip
from firehose_dagster.simulator.source import Event
from firehose_dagster.simulator.stream_faults import StreamFaults
from firehose_dagster.simulator.trade import Trade

NOW_US = 1_800_000_000_000_000
STREAM, SYMBOL = "btcusdt@aggTrade", "BTCUSDT"


def event(agg_id: int) -> Event:
    return Event(NOW_US, Trade(agg_id, "1", "1", agg_id, agg_id, NOW_US, is_buyer_maker=False), None)


def ids(events: object) -> list[int]:
    assert isinstance(events, tuple)
    return [each.trade.agg_id for each in events]


def sent(faults: StreamFaults, agg_ids: range, now_us: int = NOW_US, symbol: str = SYMBOL) -> list[int]:
    stream = f"{symbol.lower()}@aggTrade"
    return [each for agg_id in agg_ids for each in ids(faults.pass_on(stream, symbol, event(agg_id), now_us))]


def released(faults: StreamFaults, now_us: int) -> list[int]:
    return ids(tuple(each for _, each in faults.released(now_us)))


def test_the_next_trades_are_skipped_and_counts_add_up() -> None:
    faults = StreamFaults()
    assert not faults.any(NOW_US)
    faults.set(Skip(count=2), (SYMBOL,), NOW_US)
    faults.set(Skip(count=1), (SYMBOL,), NOW_US)
    assert faults.any(NOW_US)
    assert sent(faults, range(1, 6)) == [4, 5]
    assert not faults.any(NOW_US)


def test_one_symbols_faults_leave_the_others_alone() -> None:
    faults = StreamFaults()
    for fault in (Skip(count=9), Mute(seconds=9), Delay(seconds=9), Duplicate(count=9), Reorder(count=9)):
        faults.set(fault, (SYMBOL,), NOW_US)
    assert sent(faults, range(1, 4), symbol="ETHUSDT") == [1, 2, 3]
    assert sent(faults, range(1, 4)) == []


def test_a_mute_ends_with_its_time_and_gives_nothing_back() -> None:
    faults = StreamFaults()
    faults.set(Mute(seconds=2), (SYMBOL,), NOW_US)
    assert sent(faults, range(1, 3), NOW_US + 1_999_999) == []
    assert sent(faults, range(3, 5), NOW_US + 2_000_000) == [3, 4]
    assert faults.next_release_us is None
    assert not faults.any(NOW_US + 2_000_000)


def test_a_second_mute_of_no_seconds_ends_the_first() -> None:
    faults = StreamFaults()
    faults.set(Mute(seconds=600), (SYMBOL,), NOW_US)
    faults.set(Mute(seconds=0), (SYMBOL,), NOW_US)
    assert sent(faults, range(1, 3)) == [1, 2]


def test_doubled_trades_come_one_after_the_other() -> None:
    faults = StreamFaults()
    faults.set(Duplicate(count=2), (SYMBOL,), NOW_US)
    assert sent(faults, range(1, 4)) == [1, 1, 2, 2, 3]


def test_what_was_delayed_comes_whole_and_in_its_order_when_the_delay_is_over() -> None:
    faults = StreamFaults()
    faults.set(Delay(seconds=3), (SYMBOL,), NOW_US)
    assert sent(faults, range(1, 10), NOW_US + 1) == []
    assert faults.next_release_us == NOW_US + 3_000_000
    assert released(faults, NOW_US + 2_999_999) == []
    assert released(faults, NOW_US + 3_000_000) == list(range(1, 10))
    assert sent(faults, range(10, 12), NOW_US + 3_000_000) == [10, 11]


def test_reordered_trades_all_come_within_the_time_in_another_order() -> None:
    faults = StreamFaults()
    faults.set(Reorder(count=20, within_ms=400), (SYMBOL,), NOW_US)
    assert sent(faults, range(1, 23)) == [21, 22]
    late = released(faults, NOW_US + 400_000)
    assert sorted(late) == list(range(1, 21))
    assert late != sorted(late)
    assert faults.next_release_us is None


def test_frames_that_are_no_trades_are_muted_and_delayed_but_not_counted() -> None:
    faults = StreamFaults()
    faults.set(Skip(count=1), (SYMBOL,), NOW_US)
    other = Event(NOW_US, None, None, "{}")
    assert faults.pass_on(STREAM, SYMBOL, other, NOW_US) == (other,)
    faults.set(Mute(seconds=1), (SYMBOL,), NOW_US)
    assert faults.pass_on(STREAM, SYMBOL, other, NOW_US) == ()


def test_the_status_says_what_is_still_to_come() -> None:
    faults = StreamFaults()
    faults.set(Skip(count=4), (SYMBOL,), NOW_US)
    faults.set(Delay(seconds=2), ("ETHUSDT",), NOW_US)
    sent(faults, range(1, 2))
    sent(faults, range(1, 4), symbol="ETHUSDT")
    status = faults.status(NOW_US + 500_000)
    assert status["trades_to_skip"] == {SYMBOL: 3}
    assert status["delayed_seconds"] == {"ETHUSDT": 1.5}
    assert status["trades_held_back"] == 3
