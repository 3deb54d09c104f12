"""The lake is asked where it is there, and never needed."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster.gateway.lake_memory import LakeMemory
from firehose_dagster.lake.catalog import create_tables, open_catalog, sqlite_path
from firehose_dagster.lake.exchange_holes import ExchangeHole, read_holes
from firehose_dagster.settings import Settings
from firehose_dagster_tests.gateway.gold_rows import append_gold

HOLE = ExchangeHole("BTCUSDT", 5, 6, 7, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


@pytest.fixture
def catalog(settings: Settings) -> Catalog:
    settings.lake_dir.mkdir(parents=True)
    catalog = open_catalog(settings)
    create_tables(catalog)
    return catalog


def _stopped(settings: Settings) -> LakeMemory:
    """Its loop ends after one round."""
    halt = threading.Event()
    halt.set()
    return LakeMemory(settings, halt)


def test_where_there_is_no_lake_nothing_is_known_and_none_is_made(settings: Settings) -> None:
    memory = _stopped(settings)
    assert memory.last_ids(["BTCUSDT"]) == {}
    assert memory.known_holes() == []
    memory.record(HOLE)
    memory.run()
    assert memory.last_error is not None
    assert "no lake in this home yet" in memory.last_error
    assert not settings.lake_dir.exists()


def test_a_hole_recorded_before_the_tables_are_there_is_written_later(settings: Settings) -> None:
    memory = _stopped(settings)
    memory.record(HOLE)
    memory.run()
    settings.lake_dir.mkdir(parents=True)
    catalog = open_catalog(settings)
    memory.run()
    assert "not made its tables yet" in (memory.last_error or "")
    create_tables(catalog)
    memory.run()
    memory.run()
    assert memory.last_error is None
    assert memory.known_holes() == [HOLE]


def test_nothing_recorded_commits_nothing(settings: Settings, catalog: Catalog) -> None:
    _stopped(settings).run()
    table = catalog.load_table("crypto.ops_exchange_holes")
    assert table.current_snapshot() is None
    assert read_holes(table) == []


def test_the_last_id_of_a_symbol_is_the_highest_in_gold(settings: Settings, catalog: Catalog) -> None:
    append_gold(catalog, [("A", 7), ("A", 9), ("B", 100), ("C", 1)])
    assert _stopped(settings).last_ids(["A", "B", "NEW"]) == {"A": 9, "B": 100}


def test_a_lake_without_tables_holds_nothing(settings: Settings) -> None:
    settings.lake_dir.mkdir(parents=True)
    open_catalog(settings)
    assert _stopped(settings).last_ids(["A"]) == {}


def test_of_a_lake_that_does_not_answer_no_last_id_is_told(settings: Settings, catalog: Catalog) -> None:
    append_gold(catalog, [("A", 7)])
    Path(sqlite_path(settings)).write_bytes(b"no database")
    assert _stopped(settings).last_ids(["A"]) is None
