"""Stamps are found in the lineage of a snapshot, past commits that carry none."""

from pathlib import Path

import pytest
from pyiceberg.table import Table

from firehose_dagster.contracts.position import BATCH_ID, OFFSETS, Position
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.snapshots import held_position, lineage, newest_stamp
from firehose_dagster.settings import Settings


@pytest.fixture
def table(tmp_path: Path) -> Table:
    catalog = open_catalog(Settings(home=tmp_path, _env_file=None))  # type: ignore[call-arg]  # pydantic-settings takes it
    create_tables(catalog)
    return catalog.load_table(SILVER.identifier)


def _commit(table: Table, **stamps: str) -> int:
    table.append(table.schema().as_arrow().empty_table(), snapshot_properties=stamps)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return snapshot.snapshot_id


def test_a_table_without_a_snapshot_holds_no_position(table: Table) -> None:
    assert list(lineage(table)) == []
    assert held_position(table) is None
    assert newest_stamp(table, BATCH_ID) is None


def test_the_newest_stamp_counts_and_unstamped_commits_are_stepped_over(table: Table) -> None:
    _commit(table, **{BATCH_ID: "1", OFFSETS: '{"t":{"0":5}}'})
    _commit(table, **{BATCH_ID: "2"})
    _commit(table)
    assert newest_stamp(table, BATCH_ID) == "2"
    assert held_position(table) == Position(topic="t", offsets={0: 5})
    assert newest_stamp(table, "firehose.other") is None


def test_an_empty_stamp_says_that_what_came_before_does_not_count(table: Table) -> None:
    _commit(table, **{BATCH_ID: "1"})
    _commit(table, **{BATCH_ID: ""})
    assert newest_stamp(table, BATCH_ID) is None


def test_an_older_snapshot_is_asked_for_what_it_held(table: Table) -> None:
    first = _commit(table, **{OFFSETS: '{"t":{"0":5}}'})
    _commit(table, **{OFFSETS: '{"t":{"0":9,"1":2}}'})
    assert held_position(table, first) == Position(topic="t", offsets={0: 5})
    assert held_position(table) == Position(topic="t", offsets={0: 9, 1: 2})


def test_a_snapshot_that_was_rolled_back_says_nothing(table: Table) -> None:
    first = _commit(table, **{BATCH_ID: "1"})
    _commit(table, **{BATCH_ID: "2"})
    table.manage_snapshots().rollback_to_snapshot(first).commit()
    assert newest_stamp(table, BATCH_ID) == "1"


def test_an_unknown_snapshot_is_refused_by_name(table: Table) -> None:
    with pytest.raises(ValueError, match="no snapshot 42"):
        newest_stamp(table, BATCH_ID, 42)


def test_a_stamp_that_is_no_position_is_refused(table: Table) -> None:
    _commit(table, **{OFFSETS: '{"t":{},"u":{}}'})
    with pytest.raises(ValueError, match="names one topic"):
        held_position(table)
