"""The features of docs/gold.md, each by numbers worked out by hand."""

from dataclasses import replace
from decimal import Decimal as D

import pytest

from firehose_dagster.transforms.gold import MinuteBase, MinuteFeatures, SpikeThresholds, features

THRESHOLDS = SpikeThresholds(
    history_minutes=30, min_history=2, volume_ratio=D(5), price_ratio=D(4), price_min_move=D("0.003")
)


def minute(number: int, close: str = "100", volume: str = "1", reach: str = "0") -> MinuteBase:
    """Ids are contiguous from minute to minute: minute n holds the ids 10n to 10n + 9."""
    price = D(close)
    return MinuteBase(
        minute=number,
        open=price,
        high=price + D(reach),
        low=price - D(reach),
        close=price,
        volume=D(volume),
        quote_volume=price * D(volume),
        trades=10,
        first_agg_id=number * 10,
        last_agg_id=number * 10 + 9,
    )


def of(base: MinuteBase, *earlier: MinuteBase, previous: int | None = None) -> MinuteFeatures:
    return features(base, earlier, previous, THRESHOLDS)


def test_a_symbols_first_minute_has_no_return_no_score_and_is_not_complete() -> None:
    found = of(minute(100, "7", "3"))
    assert (found.vwap, found.volume_5m, found.price_ma_30m) == (D(7), D(3), D(7))
    assert (found.return_1m, found.price_spike_score, found.volume_spike_score) == (None, None, None)
    assert (found.is_price_spike, found.is_volume_spike, found.is_complete) == (False, False, False)


@pytest.mark.parametrize(
    ("quote_volume", "volume", "vwap"),
    [
        ("10", "3", "3.33333333"),
        ("20", "3", "6.66666667"),
        ("0.000000015", "1", "0.00000002"),  # a half goes up
        ("0.0000000149999999", "1", "0.00000001"),
    ],
)
def test_vwap_is_rounded_half_up_to_eight_places(quote_volume: str, volume: str, vwap: str) -> None:
    assert of(replace(minute(1), quote_volume=D(quote_volume), volume=D(volume))).vwap == D(vwap)


def test_volume_5m_reaches_back_four_minutes_of_time_not_of_rows() -> None:
    assert of(minute(100), minute(95, volume="8"), minute(96, volume="2")).volume_5m == D(3)


def test_the_mean_of_closes_reaches_back_29_minutes() -> None:
    found = of(minute(100, "4"), minute(70, "1000"), minute(71, "1"), minute(99, "2"))
    assert found.price_ma_30m == D("2.33333333")


@pytest.mark.parametrize(("close", "expected"), [("110", "0.10000000"), ("90", "-0.10000000"), ("100", "0")])
def test_the_return_is_against_the_latest_minute_with_trades(close: str, expected: str) -> None:
    assert of(minute(100, close), minute(80, "5"), minute(90, "100")).return_1m == D(expected)


def test_a_negative_return_is_rounded_away_from_zero() -> None:
    # 1/3 of a millionth, and a half at the ninth place: 199999999/200000000 - 1 = -0.000000005
    assert of(minute(100, "1.99999999"), minute(99, "2")).return_1m == D("-0.00000001")


def test_with_too_little_history_there_is_no_score() -> None:
    assert of(minute(100, volume="1000"), minute(99)).volume_spike_score is None


def test_a_volume_spike_begins_exactly_at_its_ratio() -> None:
    history = (minute(98, volume="1"), minute(99, volume="3"))
    at_the_ratio = of(minute(100, volume="10"), *history)
    below = of(minute(100, volume="9.99999999"), *history)
    assert (at_the_ratio.volume_spike_score, at_the_ratio.is_volume_spike) == (D(5), True)
    assert (below.volume_spike_score, below.is_volume_spike) == (D(5), False), "the flag is of the exact value"


def test_a_price_spike_begins_exactly_at_its_ratio_of_the_mean_range() -> None:
    history = (minute(98, reach="0.1"), minute(99, reach="0.2"))  # mean range 0.3, four times that 1.2
    found = of(minute(100, "101.2"), *history)
    below = of(minute(100, "101.19999999"), *history)
    assert (found.price_spike_score, found.is_price_spike) == (D(4), True)
    assert not below.is_price_spike
    assert of(minute(100, "98.8"), *history).is_price_spike, "downwards too"


def test_a_price_spike_needs_the_least_move() -> None:
    history = (minute(98), minute(99))  # no range at all
    at_the_least = of(minute(100, "100.3"), *history)
    assert (at_the_least.price_spike_score, at_the_least.is_price_spike) == (None, True)
    assert not of(minute(100, "100.29999999"), *history).is_price_spike
    assert not of(minute(100), *history).is_price_spike


def test_the_reference_reaches_back_as_far_as_the_setting() -> None:
    short = replace(THRESHOLDS, history_minutes=5)
    window = (minute(94, volume="1000"), minute(95), minute(99))
    assert features(minute(100, volume="5"), window, None, short).volume_spike_score == D(5)


@pytest.mark.parametrize(
    ("trades", "previous", "is_complete"),
    [(10, 999, True), (9, 999, False), (10, 998, False), (10, None, False), (10, 1000, False)],
)
def test_a_minute_is_complete_without_a_hole_in_it_or_before_it(
    trades: int, previous: int | None, is_complete: bool
) -> None:
    assert of(replace(minute(100), trades=trades), previous=previous).is_complete is is_complete


def test_a_minute_followed_by_later_trades_keeps_its_open_and_takes_their_close() -> None:
    grown = minute(100, "5", "1", "1").followed_by(
        replace(minute(100, "9", "2", "1"), first_agg_id=1010, last_agg_id=1012)
    )
    assert (grown.open, grown.high, grown.low, grown.close) == (D(5), D(10), D(4), D(9))
    assert (grown.volume, grown.quote_volume, grown.trades) == (D(3), D(23), 20)
    assert (grown.first_agg_id, grown.last_agg_id) == (1000, 1012)


def test_sums_are_exact_to_the_last_of_38_digits() -> None:
    large, small = D("1234567890123456789012.0000000000000001"), D("0.0000000000000001")
    grown = replace(minute(100), quote_volume=large).followed_by(replace(minute(100), quote_volume=small))
    assert grown.quote_volume == D("1234567890123456789012.0000000000000002")
