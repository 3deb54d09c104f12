from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.simulator.trade_counts import ORIGIN_US, TradeCounts, minute_at, start_us

SEEDS = st.integers(0, 1_000)
MEANS = st.integers(1, 20_000_000)
MINUTES = st.integers(0, 5_000_000)


@given(SEEDS, MEANS, MINUTES)
def test_no_minute_has_a_negative_count_and_ids_go_on_without_a_hole(seed: int, mean: int, minute: int) -> None:
    counts = TradeCounts(seed, "BTCUSDT", mean)
    assert counts.count(minute) >= 0
    assert counts.first_id(minute) + counts.count(minute) == counts.first_id(minute + 1)
    assert counts.first_id(0) == 1


@given(SEEDS, MEANS, MINUTES)
def test_the_minute_of_an_id_is_the_one_that_holds_it(seed: int, mean: int, minute: int) -> None:
    counts = TradeCounts(seed, "BTCUSDT", mean)
    if counts.count(minute):
        assert counts.minute_of(counts.first_id(minute)) == minute
        assert counts.minute_of(counts.first_id(minute) + counts.count(minute) - 1) == minute


@given(SEEDS, MEANS, st.integers(1, 10**12))
def test_every_id_belongs_to_a_minute(seed: int, mean: int, agg_id: int) -> None:
    counts = TradeCounts(seed, "ETHUSDT", mean)
    minute = counts.minute_of(agg_id)
    assert counts.first_id(minute) <= agg_id < counts.first_id(minute) + counts.count(minute)


@given(SEEDS, st.integers(1_000, 1_000_000), MINUTES)
def test_the_mean_is_kept(seed: int, mean: int, minutes: int) -> None:
    counts = TradeCounts(seed, "BTCUSDT", mean)
    expected = mean * (minutes + 1) // 1_000
    assert expected <= counts.until(minutes) <= expected + mean // 2_000


def test_a_minute_begins_at_its_start_and_ends_before_the_next() -> None:
    assert minute_at(ORIGIN_US) == 0
    assert minute_at(start_us(7)) == 7
    assert minute_at(start_us(8) - 1) == 7
    assert minute_at(ORIGIN_US - 1) == -1
