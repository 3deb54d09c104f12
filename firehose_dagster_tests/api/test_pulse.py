"""The pulse's arithmetic, against exact fractions; and what it says of a symbol that stands still."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.api.pulse import age_seconds, delta_percent, symbol_pulse, vwap, whole_pulse

_NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
_LATEST = {"symbol": "ALPHA", "minute": "2026-01-01T11:00:00.000000Z", "updated_at": "2026-01-01T11:00:59.000000Z"}

prices = st.integers(1, 10**18 - 1).map(lambda units: Decimal(units).scaleb(-8))
volumes = st.integers(1, 10**30).map(lambda units: Decimal(units).scaleb(-8))


def half_up(value: Fraction, places: int) -> Fraction:
    """Rounded to places; a half goes away from zero."""
    scaled = abs(value) * 10**places
    units = (scaled + Fraction(1, 2)).__floor__()
    return Fraction(units if value >= 0 else -units, 10**places)


@given(prices, prices)
def test_the_change_in_percent_is_exact_to_four_places(opened: Decimal, closed: Decimal) -> None:
    expected = half_up((Fraction(closed) / Fraction(opened) - 1) * 100, 4)
    assert Fraction(delta_percent(opened, closed)) == expected


@given(prices, volumes)
def test_the_mean_price_of_trades_at_one_price_is_that_price(price: Decimal, volume: Decimal) -> None:
    exact = Decimal((Fraction(price) * Fraction(volume) * 10**16).numerator).scaleb(-16)
    assert vwap(exact, volume) == price


@pytest.mark.parametrize(
    ("opened", "closed", "expected"),
    [
        *[
            ("100", "101", "1.0000"),
            ("100", "99", "-1.0000"),
            ("8000000", "8000000.004", "0.0000"),
            ("3", "3", "0.0000"),
        ],
        # 0.00005 % is a half of the last place.
        *[("8000000", "8000004", "0.0001"), ("8000000", "7999996", "-0.0001")],
    ],
)
def test_a_change_by_hand(opened: str, closed: str, expected: str) -> None:
    assert format(delta_percent(Decimal(opened), Decimal(closed)), "f") == expected


def test_a_symbol_without_trades_in_the_window_has_no_figures_and_is_not_complete() -> None:
    entry = symbol_pulse(_LATEST, None, [])
    assert (entry["trades"], entry["minutes"], entry["is_complete"], entry["spike_status"]) == (0, 0, False, "none")
    assert {entry[name] for name in ("price", "open", "high", "low", "delta_pct", "vwap", "volume")} == {None}


def test_both_kinds_of_spike_are_told_and_the_newest_is_the_last() -> None:
    events = [
        {"spike_id": "b", "kind": "volume", "minute": "2026-01-01T11:00:00.000000Z", "score": "6"},
        {"spike_id": "a", "kind": "price", "minute": "2026-01-01T10:50:00.000000Z", "score": "5"},
    ]
    entry = symbol_pulse(_LATEST, None, events)
    assert (entry["spike_status"], entry["price_spikes"], entry["volume_spikes"]) == ("price_and_volume", 1, 1)
    assert entry["last_spike"]["spike_id"] == "b"


@pytest.mark.parametrize(("ended_ago", "is_fresh"), [(timedelta(0), True), (timedelta(minutes=3), True)])
def test_gold_is_fresh_for_three_minutes(ended_ago: timedelta, is_fresh: bool) -> None:
    assert whole_pulse([], _NOW - ended_ago, 60, _NOW)["is_fresh"] is is_fresh
    assert whole_pulse([], _NOW - timedelta(minutes=3, seconds=1), 60, _NOW)["is_fresh"] is False


def test_the_age_of_an_open_minute_is_zero() -> None:
    assert age_seconds(_NOW + timedelta(seconds=40), _NOW) == 0
    assert age_seconds(None, _NOW) is None
