from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise

import pytest

from firehose_dagster.simulator.options import DEFAULT_SYMBOLS
from firehose_dagster.simulator.synthetic import SyntheticSource
from firehose_dagster.simulator.trade import Trade, stream_of
from firehose_dagster.simulator.trade_counts import minute_at, start_us

NOW_US = 1_795_538_730_123_456
Make = Callable[..., SyntheticSource]


@pytest.fixture
def make() -> Iterator[Make]:
    made: list[SyntheticSource] = []

    def make_source(
        symbols: tuple[str, ...] = DEFAULT_SYMBOLS, *, seed: int = 1, rate: float = 50, history_minutes: int = 35
    ) -> SyntheticSource:
        made.append(SyntheticSource(seed, symbols, rate, history_minutes))
        return made[-1]

    yield make_source
    for source in made:
        source.close()


def played(source: SyntheticSource, symbol: str, from_us: int, until_us: int) -> list[Trade]:
    tape = source.open(stream_of(symbol), from_us)
    assert tape is not None
    return [event.trade for event in tape.take(until_us) if event.trade]


def test_a_restarted_exchange_has_the_same_trades(make: Make) -> None:
    before = played(make(), "BTCUSDT", NOW_US, NOW_US + 60_000_000)
    after = played(make(history_minutes=1), "BTCUSDT", NOW_US + 20_000_000, NOW_US + 60_000_000)
    assert after
    assert before[-len(after) :] == after
    assert played(make(seed=2), "BTCUSDT", NOW_US, NOW_US + 60_000_000) != before


def test_thirty_five_minutes_of_history_come_first_and_ids_have_no_hole(make: Make) -> None:
    source = make()
    trades = played(source, "ETHUSDT", NOW_US, NOW_US + 120_000_000)
    assert 0 <= trades[0].time_us - (NOW_US - 35 * 60_000_000) < 10_000_000
    assert [trade.agg_id for trade in trades] == list(range(trades[0].agg_id, trades[0].agg_id + len(trades)))
    assert all(later.time_us >= earlier.time_us for earlier, later in pairwise(trades))
    assert all(later.first_trade_id == earlier.last_trade_id + 1 for earlier, later in pairwise(trades))
    assert all(trade.first_trade_id <= trade.last_trade_id for trade in trades)
    assert source.due_ids("ETHUSDT", NOW_US + 120_000_000) == (trades[0].agg_id, trades[-1].agg_id)


def test_a_look_up_by_id_or_time_gives_what_was_played(make: Make) -> None:
    source = make()
    end_us = NOW_US + 60_000_000
    trades = played(source, "SOLUSDT", NOW_US, end_us)
    other = make()
    pages: list[Trade] = []
    while len(pages) < len(trades):
        pages += other.trades_from("SOLUSDT", trades[len(pages)].agg_id, 1_000, end_us)
    assert pages == trades
    in_time = [trade for trade in trades if NOW_US <= trade.time_us < NOW_US + 30_000_000]
    assert other.trades_between("SOLUSDT", NOW_US, NOW_US + 30_000_000, 1_000, end_us) == in_time
    assert other.latest_trades("SOLUSDT", 1 << 62, 10, end_us) == trades[-10:]


def test_the_future_cannot_be_looked_up(make: Make) -> None:
    last = make().latest_trades("BTCUSDT", 1 << 62, 1, NOW_US)[0]
    assert last.time_us <= NOW_US
    assert make().trades_from("BTCUSDT", last.agg_id + 1, 10, NOW_US) == []


def test_the_oldest_trades_can_be_looked_up(make: Make) -> None:
    assert [trade.agg_id for trade in make().trades_from("BTCUSDT", 0, 3, NOW_US)] == [1, 2, 3]


def test_a_large_share_of_trades_falls_into_a_common_millisecond(make: Make) -> None:
    trades = played(make(), "BTCUSDT", NOW_US, NOW_US)
    by_millisecond = Counter(trade.time_us // 1_000 for trade in trades)
    shared = sum(count for count in by_millisecond.values() if count > 1)
    assert 0.3 < shared / len(trades) < 0.8


def test_each_minute_has_one_spike_and_strong_ones_stand_out(make: Make) -> None:
    source = make()
    last = minute_at(NOW_US) - 1
    strong = 0
    for minute in range(last - 11, last + 1):
        spikes = {symbol: spike for symbol in source.symbols if (spike := source.spike(symbol, minute))}
        assert len(spikes) == 1
        ((symbol, spike),) = spikes.items()
        if not spike.is_strong:
            continue
        strong += 1
        calm = [other for other in range(minute - 9, minute) if source.spike(symbol, other) is None]
        volumes, moves = zip(*(volume_and_move(source, symbol, other) for other in calm), strict=True)
        volume, move = volume_and_move(source, symbol, minute)
        assert volume > 8 * sum(volumes) / len(volumes)
        assert move > 4 * sum(moves) / len(moves)
        assert move > Decimal("0.008")
    assert strong >= 5


def volume_and_move(source: SyntheticSource, symbol: str, minute: int) -> tuple[Decimal, Decimal]:
    trades = source.trades_between(symbol, start_us(minute), start_us(minute + 1), 1_000_000, NOW_US)
    prices = [Decimal(trade.price) for trade in trades]
    return sum((Decimal(trade.qty) for trade in trades), Decimal(0)), max(prices) / min(prices) - 1


@pytest.mark.parametrize("rate", [5, 1_000])
def test_many_symbols_share_the_rate(make: Make, rate: float) -> None:
    symbols = tuple(f"COIN{number}USDT" for number in range(100))
    source = make(symbols, rate=rate, history_minutes=0)
    minute = minute_at(NOW_US)
    trades = sum(len(source.minute(symbol, minute + later)) for symbol in symbols for later in range(3))
    assert 0.8 < trades / (rate * 180) < 1.2


def test_a_market_that_closes_has_no_trade_after_it() -> None:
    source = SyntheticSource(1, ("BTCUSDT",), 50, 1, closes_at_us=NOW_US + 10_000_000)
    tape = source.open("btcusdt@aggTrade", NOW_US)
    assert tape is not None
    trades = tape.take(NOW_US + 600_000_000)
    assert trades[-1].due_us <= NOW_US + 10_000_000
    assert tape.next_due_us() is None
    tape.skip(NOW_US + 900_000_000)
    assert tape.next_due_us() is None
    assert source.latest_trades("BTCUSDT", 1 << 62, 1, NOW_US + 600_000_000) == [trades[-1].trade]
    source.close()
