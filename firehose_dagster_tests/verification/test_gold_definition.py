"""Gold's definition, worked out by hand."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.verification.gold_definition import UNIT, BaseMinute, DerivedFeatures, SpikeRule, derive, rounded

RULE = SpikeRule(30, 2, Fraction(5), Fraction(4), Fraction("0.003"))


def _minute(minute: int, close: int, volume: int, *, first: int, spread: int = 1, symbol: str = "ALPHA") -> BaseMinute:
    """Two trades at `close - spread` and `close` whole units, each of half the volume."""
    low = (close - spread) * UNIT
    half = volume * UNIT // 2
    return BaseMinute(
        symbol=symbol,
        minute=minute,
        open=low,
        high=close * UNIT,
        low=low,
        close=close * UNIT,
        volume=volume * UNIT,
        quote_volume=half * low + half * close * UNIT,
        trades=2,
        first_agg_id=first,
        last_agg_id=first + 1,
    )


def _derived(*minutes: BaseMinute, watermark_minute: int = 0) -> list[DerivedFeatures]:
    return [features for _, features in derive(minutes, RULE, watermark_minute * 60_000_000)]


def test_halves_are_rounded_away_from_zero() -> None:
    assert [rounded(*pair) for pair in ((5, 2), (-5, 2), (7, 3), (-7, 3), (-1, 3), (8, 3), (0, 7))] == [
        3,
        -3,
        2,
        -2,
        0,
        3,
        0,
    ]


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**40))
def test_the_rounded_quotient_is_the_nearest_whole_number(numerator: int, denominator: int) -> None:
    assert abs(rounded(numerator, denominator) - Fraction(numerator, denominator)) <= Fraction(1, 2)


def test_four_minutes_by_hand() -> None:
    first, second, third, fourth = _derived(
        _minute(100, 100, 10, first=1),
        _minute(101, 102, 20, first=3),
        # A minute without trades lies between, and id 5 is missing.
        _minute(103, 101, 30, first=6, spread=2),
        _minute(105, 110, 400, first=8),
        watermark_minute=104,
    )
    # (5 * 99 + 5 * 100) / 10
    assert first.vwap == 9_950_000_000
    assert (first.volume_5m, first.price_ma_30m, first.return_1m) == (10 * UNIT, 100 * UNIT, None)
    assert (first.price_spike_score, first.is_complete, first.is_final) == (None, False, True)
    # 102 / 100 - 1; the ids go on from the minute before
    assert (second.return_1m, second.is_complete) == (2_000_000, True)
    # 101 / 102 - 1 = -0.00980392156...; mean of 100, 102, 101
    assert (third.return_1m, third.price_ma_30m, third.volume_5m) == (-980_392, 101 * UNIT, 60 * UNIT)
    # reference: volumes 10 + 20; 30 * 2 / 30. Price: p = 102, d = max(101 - 102, 102 - 99) = 3, ranges 1 + 1; 3 * 2 / 2
    assert (third.volume_spike_score, third.price_spike_score) == (2 * UNIT, 3 * UNIT)
    assert (third.is_price_spike, third.is_volume_spike, third.is_complete) == (False, False, False)
    # Minute 103 ends at 104, the watermark; minute 105 is open.
    assert (third.is_final, fourth.is_final) == (True, False)
    # volume_5m over minutes 101 .. 105; 400 * 3 / 60 = 20; d = 110 - 101 = 9, ranges 1 + 1 + 2; 9 * 3 / 4 = 6.75
    assert (fourth.volume_5m, fourth.volume_spike_score, fourth.price_spike_score) == (
        450 * UNIT,
        20 * UNIT,
        675_000_000,
    )
    assert (fourth.is_price_spike, fourth.is_volume_spike, fourth.is_complete) == (True, True, True)
    # 110 / 101 - 1 = 0.0891089108...; (100 + 102 + 101 + 110) / 4
    assert (fourth.return_1m, fourth.price_ma_30m) == (8_910_891, 10_325_000_000)


def test_windows_are_of_time() -> None:
    _, at_29, at_30_later = _derived(
        _minute(100, 100, 2, first=1), _minute(129, 200, 2, first=3), _minute(159, 300, 2, first=5)
    )
    assert at_29.price_ma_30m == 150 * UNIT
    # Minute 129 is 30 minutes back: out of the mean (130 .. 159), within the return (129 .. 158).
    assert (at_30_later.price_ma_30m, at_30_later.return_1m) == (300 * UNIT, 50_000_000)


def test_completeness_looks_back_as_far_as_it_takes_and_return_does_not() -> None:
    _, later = _derived(_minute(100, 100, 2, first=1), _minute(5_000, 100, 2, first=3))
    assert (later.is_complete, later.return_1m) == (True, None)


def test_symbols_do_not_see_each_other() -> None:
    _, other = _derived(_minute(100, 100, 2, first=1), _minute(101, 100, 2, first=3, symbol="BETA"))
    assert (other.is_complete, other.return_1m, other.volume_5m) == (False, None, 2 * UNIT)


def test_a_flat_history_gives_a_price_flag_without_a_score() -> None:
    *_, moved = _derived(
        _minute(100, 100, 2, first=1, spread=0), _minute(101, 100, 2, first=3, spread=0), _minute(102, 101, 2, first=5)
    )
    assert (moved.is_price_spike, moved.price_spike_score) == (True, None)


def test_thresholds_are_met_by_equality_on_exact_values() -> None:
    history = (_minute(100, 1_000, 2, first=1), _minute(101, 1_000, 2, first=3))
    # 2 * 2 = 4; 5 times the mean volume 2 is 10; 4 times the mean range 1 is 4, and 0.003 of 1000 is 3.
    *_, met = _derived(*history, _minute(102, 1_004, 10, first=5))
    *_, short = _derived(*history, _minute(102, 1_003, 9, first=5))
    assert (met.is_volume_spike, met.is_price_spike) == (True, True)
    assert (short.is_volume_spike, short.is_price_spike) == (False, False)
