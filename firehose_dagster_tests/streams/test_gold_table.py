"""The gold table as the driver reads it: exact with any number of symbols, and no more of it than is needed."""

from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import cast

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster.binance.gaps import HeldIds
from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.settings import Settings
from firehose_dagster.streams.gold_minutes import GoldMinutes, LastMinute, MinuteKey
from firehose_dagster.streams.gold_table import GoldTable
from firehose_dagster.transforms.gold import MinuteBase
from firehose_dagster_tests.streams.gold_trades import THRESHOLDS

ONE = Decimal(1)
DAY = 1_440
NEWEST = 29_000_000
"""A minute of 2025."""


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = open_catalog(Settings(home=tmp_path))
    create_tables(catalog)
    return catalog


@pytest.fixture
def gold(catalog: Catalog) -> GoldTable:
    return GoldTable(catalog, cast(DriverTable, None))  # nothing here writes through the JVM


def _store(catalog: Catalog, *rows: tuple[str, int, int]) -> None:
    """Append final rows in one file an hour: symbol, minute counted from the epoch, the one id in it."""
    table = catalog.load_table(GOLD.identifier)
    values = dict.fromkeys(("open", "high", "low", "close", "vwap", "volume", "quote_volume", "volume_5m"), ONE)
    records = [
        {
            **values,
            "symbol": symbol,
            "minute": datetime.fromtimestamp(minute * 60, UTC),
            "trades": 1,
            "price_ma_30m": ONE,
            "is_price_spike": False,
            "is_volume_spike": False,
            "first_agg_id": agg_id,
            "last_agg_id": agg_id,
            "is_complete": True,
            "is_final": True,
            "revision": 0,
            "silver_snapshot_id": 1,
            "updated_at": datetime(2026, 1, 1, tzinfo=UTC),
        }
        for symbol, minute, agg_id in rows
    ]
    table.append(pa.Table.from_pylist(records, schema=table.schema().as_arrow()))


def _lose_files_before(catalog: Catalog, minute: int) -> None:
    """Delete the data files of hours before this minute: who reads one of them fails."""
    for task in catalog.load_table(GOLD.identifier).scan().plan_files():
        if task.file.partition[0] < minute // 60:
            Path(task.file.file_path.removeprefix("file://")).unlink()


def test_the_minutes_of_suspects_of_1200_symbols_are_found(catalog: Catalog, gold: GoldTable) -> None:
    _store(catalog, ("S0007", NEWEST, 5), ("S1199", NEWEST + 1, 6), ("S1199", NEWEST + 2, 9), ("OTHER", NEWEST + 3, 5))
    wanted = HeldIds()
    wanted.add_range(5, 8)
    assert gold.minutes_holding({f"S{number:04d}": wanted for number in range(1_200)}) == [NEWEST, NEWEST + 1]


def test_of_two_ids_days_apart_the_minutes_between_are_not_named(catalog: Catalog, gold: GoldTable) -> None:
    _store(catalog, ("A", NEWEST - 30 * DAY, 5), ("A", NEWEST - DAY, 6), ("A", NEWEST, 7), ("B", NEWEST - DAY, 7))
    wanted = HeldIds()
    for agg_id in (5, 7):
        wanted.add(agg_id)
    assert gold.keys_holding({"A": wanted}) == [("A", NEWEST - 30 * DAY), ("A", NEWEST)]


def test_rows_of_1200_hours_apart_are_read(catalog: Catalog, gold: GoldTable) -> None:
    _store(catalog, ("A", NEWEST, 5), ("A", NEWEST + 60, 6))
    assert [row.key for row in gold.rows(NEWEST // 60 + 2 * number for number in range(1_200))] == [("A", NEWEST)]


def test_the_first_batch_after_a_start_reads_no_more_than_the_day_before_the_newest_hour(
    catalog: Catalog, gold: GoldTable
) -> None:
    _store(catalog, ("A", NEWEST - 400 * DAY, 1), ("A", NEWEST - 60, 2), ("B", NEWEST, 1))
    _lose_files_before(catalog, NEWEST - DAY)
    minutes = GoldMinutes(gold, THRESHOLDS)
    base = MinuteBase(NEWEST, ONE, ONE, ONE, ONE, ONE, ONE, 1, 3, 3)
    change = minutes.apply({MinuteKey("A", NEWEST): base}, 0, 7, datetime(2026, 1, 1, tzinfo=UTC))
    assert [(row.key, row.features.is_complete) for row in change.changed] == [(("A", NEWEST), True)]


def test_a_neighbour_is_found_however_far_it_is(catalog: Catalog, gold: GoldTable) -> None:
    _store(
        catalog,
        ("A", NEWEST - 400 * DAY, 1),
        ("A", NEWEST - 20 * DAY, 2),
        ("A", NEWEST - 3, 4),
        ("A", NEWEST, 5),
        ("B", NEWEST - 300 * DAY, 8),
        ("B", NEWEST - 2, 7),
        ("D", NEWEST - 200, 1),
        ("D", NEWEST - 70, 2),
    )
    assert gold.last_before({"A": NEWEST, "B": NEWEST - 2, "C": NEWEST, "D": NEWEST}) == {
        "A": LastMinute(NEWEST - 3, 4),
        "B": LastMinute(NEWEST - 300 * DAY, 8),
        "D": LastMinute(NEWEST - 70, 2),
    }
    near, far, very_far = (MinuteKey("A", minute) for minute in (NEWEST - 4, NEWEST - 19 * DAY, NEWEST - 400 * DAY))
    assert gold.first_after([near, far, very_far, MinuteKey("A", NEWEST), MinuteKey("C", NEWEST - 9)]) == {
        near: NEWEST - 3,
        far: NEWEST - 3,
        very_far: NEWEST - 20 * DAY,
    }


def test_the_highest_id_of_a_symbol_counts_wherever_it_lies(catalog: Catalog, gold: GoldTable) -> None:
    _store(catalog, ("A", NEWEST - 400 * DAY, 9), ("A", NEWEST, 3), ("B", NEWEST, 0))
    _store(catalog, ("B", NEWEST - DAY, 4), ("C", NEWEST, 1))
    assert gold.highest_ids(["A", "B", "D"]) == {"A": 9, "B": 4}


def test_late_trades_of_many_symbols_look_for_what_follows_them_once(
    catalog: Catalog, gold: GoldTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    symbols = ("A", "B", "C", "D")
    _store(catalog, *((symbol, minute, 9) for symbol in symbols for minute in (NEWEST - 600, NEWEST)))
    asked: list[set[MinuteKey]] = []
    first_after = GoldTable.first_after

    def noted(table: GoldTable, keys: list[MinuteKey]) -> object:
        asked.append(set(keys))
        return first_after(table, keys)

    monkeypatch.setattr(GoldTable, "first_after", noted)
    late = {
        MinuteKey(symbol, NEWEST - 300): MinuteBase(NEWEST - 300, ONE, ONE, ONE, ONE, ONE, ONE, 1, 5, 5)
        for symbol in symbols
    }
    change = GoldMinutes(gold, THRESHOLDS).apply(late, 0, 7, datetime(2026, 1, 1, tzinfo=UTC))
    assert asked == [set(late)]
    assert {row.key for row in change.changed} == {
        MinuteKey(symbol, minute) for symbol in symbols for minute in (NEWEST - 300, NEWEST)
    }
