"""What gold believes of exchange holes: when it asks, whom it asks, and when it stops believing."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.exchange_holes import AbsentIds, ExchangeHole, append_holes
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_summary import BatchSummary, SymbolMinute
from firehose_dagster.streams.gold_holes import REFRESH_SECONDS, GoldHoles
from firehose_dagster.transforms.gold import MinuteBase

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = open_catalog(Settings(home=tmp_path))
    create_tables(catalog)
    return catalog


def _tell(catalog: Catalog, first: int, last: int) -> ExchangeHole:
    hole = ExchangeHole("A", first, last, last + 1, NOW)
    append_holes(catalog, [hole])
    return hole


class Silver:
    """Ids held, and what was asked."""

    def __init__(self, *held: int) -> None:
        self.held = held
        self.asked: list[tuple[IdRange, int]] = []

    def held_between(self, symbol: str, ids: IdRange, minute: int) -> Sequence[int]:
        self.asked.append((ids, minute))
        return [agg_id for agg_id in self.held if ids.first <= agg_id <= ids.last]


def test_news_are_asked_for_at_most_every_half_minute_and_each_hole_is_told_once(catalog: Catalog) -> None:
    now = [0.0]
    holes = GoldHoles(catalog, Silver().held_between, None, lambda: now[0])
    assert holes.refresh() == []
    first = _tell(catalog, 5, 6)
    now[0] = REFRESH_SECONDS - 1
    assert holes.refresh() == []
    now[0] = REFRESH_SECONDS
    assert holes.refresh() == [first]
    _tell(catalog, 5, 6)
    second = _tell(catalog, 9, 9)
    now[0] *= 2
    assert holes.refresh() == [second]
    now[0] *= 2
    assert holes.refresh() == []


def test_silver_is_asked_about_a_hole_once_and_when_a_minute_depends_on_it(catalog: Catalog) -> None:
    silver = Silver(6)
    holes = GoldHoles(catalog, silver.held_between, None)
    _tell(catalog, 5, 7)
    _tell(catalog, 20, 20)
    holes.refresh()
    assert holes.count("B", 1, 100, minute=3) == 0
    assert holes.count("A", 1, 4, minute=3) == 0
    assert silver.asked == []
    # Id 6 is held: the exchange had it after all.
    assert holes.count("A", 4, 10, minute=3) == 2
    assert holes.count("A", 4, 10, minute=3) == 2
    assert silver.asked == [(IdRange(4, 10), 3)]


def test_an_id_that_comes_is_no_hole_any_more(catalog: Catalog) -> None:
    holes = GoldHoles(catalog, Silver().held_between, None)
    _tell(catalog, 5, 7)
    holes.refresh()
    assert holes.count("A", 5, 7, minute=0) == 3
    one = Decimal(1)
    base = MinuteBase(0, one, one, one, one, one, one, 2, 6, 9)
    minute = SymbolMinute("A", base, [6, 9], 0, 0, 0, 0, 0)
    holes.note(BatchSummary(rows=2, valid_rows=2, starts={0: 0}, ends={0: 2}, minutes=[minute]))
    assert holes.count("A", 5, 7, minute=0) == 2


def test_what_is_a_hole_is_looked_up_once_a_batch_however_many_minutes_it_has(
    catalog: Catalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    holes = GoldHoles(catalog, Silver().held_between, None)
    looked: list[AbsentIds] = []

    def noted(absent: AbsentIds) -> frozenset[str]:
        looked.append(absent)
        return frozenset()

    monkeypatch.setattr(AbsentIds, "symbols", property(noted))
    one = Decimal(1)
    minutes = [
        SymbolMinute("A", MinuteBase(minute, one, one, one, one, one, one, 1, minute, minute), [minute], 0, 0, 0, 0, 0)
        for minute in range(3)
    ]
    holes.note(BatchSummary(rows=3, valid_rows=3, starts={0: 0}, ends={0: 3}, minutes=minutes))
    assert len(looked) == 1


def test_a_restart_knows_what_gold_was_computed_from_and_hears_of_the_rest_as_new(catalog: Catalog) -> None:
    _tell(catalog, 5, 6)
    snapshot = catalog.load_table(OPS_EXCHANGE_HOLES.identifier).current_snapshot()
    assert snapshot is not None
    later = _tell(catalog, 9, 9)
    holes = GoldHoles(catalog, Silver().held_between, snapshot.snapshot_id)
    assert holes.snapshot_id == snapshot.snapshot_id
    assert holes.count("A", 1, 100, minute=0) == 2
    assert holes.refresh() == [later]
    assert holes.count("A", 1, 100, minute=0) == 3


def test_where_that_snapshot_was_expired_everything_is_new(catalog: Catalog) -> None:
    hole = _tell(catalog, 5, 6)
    holes = GoldHoles(catalog, Silver().held_between, 1)
    assert holes.refresh() == [hole]
