import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.simulator.pace import Pace
from firehose_dagster.simulator.replay import ReplaySource, ReplayTape
from firehose_dagster.simulator.source import Event
from firehose_dagster.simulator.trade import Trade
from firehose_dagster_tests.simulator.markets import trade_of

BEGIN_US = 1_700_000_000_000_000
NOW_US = 1_800_000_000_000_000


def event(agg_id: int, received_us: int, event_us: int, trade_us: int) -> Event:
    return Event(received_us, Trade(agg_id, "1", "1", agg_id, agg_id, trade_us, True), event_us, "{}")


def source(events: list[Event], *, speed: float, shift_to_now: bool = False) -> ReplaySource:
    return ReplaySource(
        "test", {"btcusdt@aggTrade": events}, ["BTCUSDT"], speed=speed, shift_to_now=shift_to_now, now_us=NOW_US
    )


def opened(played: ReplaySource, now_us: int) -> ReplayTape:
    tape = played.open("btcusdt@aggTrade", now_us)
    assert tape is not None
    return tape


THREE = [event(place, BEGIN_US + place * 1_000_000, BEGIN_US + place, BEGIN_US + place) for place in (0, 1, 2)]


def test_a_stream_starts_at_its_first_subscription_at_the_original_pace() -> None:
    tape = opened(source(THREE, speed=1), NOW_US + 5)
    assert tape.next_due_us() == NOW_US + 5
    assert [trade_of(sent).agg_id for sent in tape.take(NOW_US + 5 + 1_999_999)] == [0, 1]
    assert tape.next_due_us() == NOW_US + 5 + 2_000_000


def test_speed_divides_the_gaps() -> None:
    tape = opened(source(THREE, speed=10), NOW_US)
    assert [sent.due_us for sent in tape.take(NOW_US + 10_000_000)] == [NOW_US, NOW_US + 100_000, NOW_US + 200_000]


def test_what_was_skipped_is_not_sent_but_looked_up() -> None:
    played = source(THREE, speed=1)
    tape = opened(played, NOW_US)
    tape.skip(NOW_US + 1_000_000)
    assert [trade_of(sent).agg_id for sent in tape.take(NOW_US + 9_000_000)] == [2]
    assert [trade.agg_id for trade in played.trades_from("BTCUSDT", 0, 10, NOW_US + 1_000_000)] == [0, 1]


def test_shifted_times_keep_their_gaps_and_each_event_is_due_at_its_new_event_time() -> None:
    recorded = [
        event(1, BEGIN_US + 7, BEGIN_US + 100, BEGIN_US + 90),
        event(2, BEGIN_US + 8, BEGIN_US + 500_100, BEGIN_US + 500_000),
    ]
    played = source(recorded, speed=1, shift_to_now=True)
    first, second = opened(played, NOW_US).take(NOW_US + 1_000_000)
    assert (first.due_us, first.event_time_us, trade_of(first).time_us) == (NOW_US, NOW_US, NOW_US - 10)
    assert (second.due_us, second.event_time_us, trade_of(second).time_us) == (
        NOW_US + 500_000,
        NOW_US + 500_000,
        NOW_US + 499_900,
    )
    looked_up = played.trades_from("BTCUSDT", 0, 10, NOW_US + 1_000_000)
    assert [trade.time_us for trade in looked_up] == [NOW_US - 10, NOW_US + 499_900]


def test_shifted_at_speed_0_the_last_event_is_at_the_start() -> None:
    first, *_, last = opened(source(THREE, speed=0, shift_to_now=True), NOW_US + 99).take(1 << 62)
    assert (last.event_time_us, first.event_time_us) == (NOW_US, NOW_US - 2)


def test_ids_out_of_order_and_repeated_are_looked_up_once_and_in_order() -> None:
    shuffled = [event(agg_id, BEGIN_US + place, BEGIN_US, BEGIN_US) for place, agg_id in enumerate((5, 3, 4, 3, 9))]
    played = source(shuffled, speed=0)
    opened(played, NOW_US).take(1 << 62)
    assert [trade.agg_id for trade in played.trades_from("BTCUSDT", 4, 2, NOW_US)] == [4, 5]
    assert played.due_ids("BTCUSDT", NOW_US) == (3, 9)


def test_a_stream_without_frames_has_no_tape() -> None:
    assert source(THREE, speed=1).open("ethusdt@aggTrade", NOW_US) is None


@given(
    gaps=st.lists(st.integers(0, 10**9), min_size=1, max_size=20),
    speed=st.floats(0.01, 1_000),
    cuts=st.lists(st.integers(0, 10**11), max_size=5),
)
def test_however_a_tape_is_cut_each_event_is_sent_once_and_never_early(
    gaps: list[int], speed: float, cuts: list[int]
) -> None:
    at_us, events = BEGIN_US, []
    for agg_id, gap in enumerate(gaps):
        at_us += gap
        events.append(event(agg_id, at_us, at_us, at_us))
    tape = opened(source(events, speed=speed), NOW_US)
    sent: list[int] = []
    for cut in [*sorted(cuts), 1 << 61]:
        taken = tape.take(NOW_US + cut)
        assert all(one.due_us <= NOW_US + cut for one in taken)
        sent += [trade_of(one).agg_id for one in taken]
        next_due_us = tape.next_due_us()
        assert next_due_us is None or next_due_us > NOW_US + cut
    assert sent == list(range(len(gaps)))


@pytest.mark.parametrize("speed", [0.5, 1.0, 3.0])
def test_the_pace_goes_there_and_back(speed: float) -> None:
    pace = Pace(BEGIN_US, NOW_US, speed)
    assert abs(pace.timeline_us(pace.wall_us(BEGIN_US + 12_345_678)) - (BEGIN_US + 12_345_678)) <= speed
