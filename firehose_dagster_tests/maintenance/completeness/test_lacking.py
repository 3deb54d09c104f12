"""Which hours lack ids, as the newest look at each of them says, however long ago they are."""

from firehose_dagster.maintenance.completeness.store import CompletenessStore
from firehose_dagster_tests.maintenance.completeness.growing_lake import ELEVEN, NINE, TEN, TWELVE, GrowingLake


def _lacking(lake: GrowingLake, *symbols: str) -> list[tuple[str, int]]:
    store = CompletenessStore(lake.catalog)
    rows = store.lacking(symbols) if symbols else store.lacking()
    return sorted((row.symbol, row.missing) for row in rows)


def test_an_hour_that_was_filled_since_lacks_nothing(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), ([7, 8], TEN), ([10, 11], ELEVEN))
    lake.look()
    assert _lacking(lake) == [("BTCUSDT", 1), ("BTCUSDT", 2)]
    lake.hold(([5, 6], TEN), ([12], TWELVE))
    lake.look()
    assert _lacking(lake) == [("BTCUSDT", 1)]


def test_the_hours_of_every_symbol_or_of_some_can_be_asked_for(lake: GrowingLake) -> None:
    lake.hold((range(1, 5), NINE), ([7, 8], TEN))
    lake.hold((range(1, 5), NINE), ([8, 9], TEN), symbol="ETHUSDT")
    lake.look()
    assert _lacking(lake) == [("BTCUSDT", 2), ("ETHUSDT", 3)]
    assert _lacking(lake, "ETHUSDT") == [("ETHUSDT", 3)]
