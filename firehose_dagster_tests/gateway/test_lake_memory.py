"""The lake is asked where it is there, and never needed."""

import threading
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.io.pyarrow import schema_to_pyarrow

from firehose_dagster.contracts.trade_tables import GOLD
from firehose_dagster.gateway.lake_memory import LakeMemory
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.exchange_holes import ExchangeHole, read_holes
from firehose_dagster.settings import Settings

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
    table = catalog.load_table(GOLD.identifier)
    columns = schema_to_pyarrow(table.schema())
    rows = [_gold_row(columns, symbol, last) for symbol, last in (("A", 7), ("A", 9), ("B", 100), ("C", 1))]
    table.append(pa.Table.from_pylist(rows, schema=columns))
    assert _stopped(settings).last_ids(["A", "B", "NEW"]) == {"A": 9, "B": 100}


def _gold_row(columns: pa.Schema, symbol: str, last_agg_id: int) -> dict[str, object]:
    """Any minute: of what is not named, something of the right type."""
    examples: list[tuple[object, object]] = [
        (pa.types.is_decimal, Decimal(1)),
        (pa.types.is_timestamp, datetime(2026, 1, 1, tzinfo=UTC)),
        (pa.types.is_boolean, True),
        (pa.types.is_floating, 1.0),
        (pa.types.is_integer, 1),
    ]
    row: dict[str, object] = {}
    for field in columns:
        row[field.name] = next((value for fits, value in examples if callable(fits) and fits(field.type)), "x")
    return {**row, "symbol": symbol, "last_agg_id": last_agg_id}
