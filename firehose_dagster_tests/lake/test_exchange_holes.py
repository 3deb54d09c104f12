"""Ids that the exchange does not have: written, read back, counted."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.exchange_holes import AbsentIds, ExchangeHole, append_holes, read_holes
from firehose_dagster.settings import Settings

SOME_IDS = st.integers(0, 60)
RANGES = st.lists(st.tuples(SOME_IDS, SOME_IDS).map(lambda pair: IdRange(min(pair), max(pair))), max_size=8)


def test_holes_are_read_back_as_they_were_told_and_as_of_a_snapshot(tmp_path: Path) -> None:
    catalog = open_catalog(Settings(home=tmp_path))
    create_tables(catalog)
    first = ExchangeHole("BTCUSDT", 5, 7, 8, datetime(2026, 1, 1, tzinfo=UTC))
    second = ExchangeHole("ETHUSDT", 9, 9, 10, datetime(2026, 1, 2, tzinfo=UTC))
    assert read_holes(catalog.load_table(OPS_EXCHANGE_HOLES.identifier)) == []
    append_holes(catalog, [])
    append_holes(catalog, [first])
    table = catalog.load_table(OPS_EXCHANGE_HOLES.identifier)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert len(table.metadata.snapshots) == 1
    append_holes(catalog, [second])
    table.refresh()
    assert sorted(read_holes(table), key=lambda hole: hole.symbol) == [first, second]
    assert read_holes(table, snapshot.snapshot_id) == [first]
    with pytest.raises(ValueError, match="Snapshot not found"):
        read_holes(table, 1)


@given(RANGES, RANGES, st.tuples(SOME_IDS, SOME_IDS))
def test_what_is_absent_is_counted_as_a_set_would(
    absent: list[IdRange], found: list[IdRange], asked: tuple[int, int]
) -> None:
    held = AbsentIds(("A", ids) for ids in absent)
    expected = {agg_id for ids in absent for agg_id in range(ids.first, ids.last + 1)}
    for ids in found:
        held.discard("A", ids)
        expected -= set(range(ids.first, ids.last + 1))
    first, last = asked
    inside = [agg_id for agg_id in range(first, last + 1) if agg_id in expected]
    assert held.count("A", first, last) == len(inside)
    assert held.count("B", first, last) == 0
    assert held.symbols == ({"A"} if expected else set())
    assert all((("A", agg_id) in held) == (agg_id in expected) for agg_id in range(61))
    if first <= last:
        present = held.present("A", IdRange(first, last))
        assert [agg_id for ids in present for agg_id in range(ids.first, ids.last + 1)] == [
            agg_id for agg_id in range(first, last + 1) if agg_id not in expected
        ]
