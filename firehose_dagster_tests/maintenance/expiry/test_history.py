"""The facts for the plan come from the table's own metadata, and no stamp of the contracts is overlooked."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firehose_dagster.contracts import position
from firehose_dagster.contracts.ops_tables import OPS_COMPLETENESS, OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.position import (
    AUDIT,
    HOLES_SNAPSHOT,
    OFFSETS,
    OFFSETS_BEFORE,
    SILVER_SNAPSHOT,
    Position,
)
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.maintenance.expiry import history as history_module
from firehose_dagster.maintenance.expiry.history import FOUND_BY_WALKING, NAMES, READ_OTHERWISE, history_of, needs_of
from firehose_dagster.maintenance.expiry.lake import EXPIRY_ORDER
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.small_tables import IDENTIFIER, append, make_lake
from firehose_dagster_tests.verification.small_lake import append as append_to


def test_every_stamp_of_the_contracts_has_its_rule() -> None:
    stamps = {value for value in vars(position).values() if isinstance(value, str) and value.startswith("firehose.")}
    assert stamps == {*FOUND_BY_WALKING, *READ_OTHERWISE}


def test_every_table_is_expired_and_those_that_name_others_before_them() -> None:
    assert sorted(table.name for table in EXPIRY_ORDER) == sorted(table.name for table in TABLES)
    for naming, _, named in NAMES:
        assert EXPIRY_ORDER.index(naming) < EXPIRY_ORDER.index(named)


def test_a_snapshot_is_superseded_when_the_next_one_came(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    first, second = append(catalog, 0), append(catalog, 1, **{OFFSETS: "x"})
    table = catalog.load_table(IDENTIFIER)
    facts = {each.snapshot_id: each for each in history_of(table).snapshots}
    came = table.snapshot_by_id(second)
    assert came is not None
    at = datetime.fromtimestamp(came.timestamp_ms // 1000, UTC) + timedelta(milliseconds=came.timestamp_ms % 1000)
    assert facts[first].superseded_at == at
    assert facts[second].superseded_at is None
    assert (facts[first].stamps, facts[second].stamps) == (frozenset(), frozenset({OFFSETS}))


def test_a_rolled_back_snapshot_was_superseded_by_the_one_rolled_back_to(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    first, second = append(catalog, 0), append(catalog, 1)
    catalog.load_table(IDENTIFIER).manage_snapshots().rollback_to_snapshot(first).commit()
    facts = {each.snapshot_id: each for each in history_of(catalog.load_table(IDENTIFIER)).snapshots}
    assert facts[first].superseded_at is None
    assert facts[second].superseded_at is not None


def test_a_commit_that_lies_between_two_of_the_streams_is_seen(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)

    def at(offset: int) -> str:
        return Position("t", {0: offset}).to_json()

    for number, (before, reached) in enumerate([(0, 5), (5, 9)]):
        append(catalog, number, **{OFFSETS: at(reached), OFFSETS_BEFORE: at(before)})
    assert not history_of(catalog.load_table(IDENTIFIER)).has_other_writer
    append(catalog, 2, **{OFFSETS: at(9), OFFSETS_BEFORE: at(5)})
    assert history_of(catalog.load_table(IDENTIFIER)).has_other_writer


def test_what_gold_names_and_what_is_not_audited_is_needed_in_silver_and_in_the_holes(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalog = open_catalog(settings)
    create_tables(catalog)

    def commit(table: Table, **stamps: str) -> int:
        return append_to(settings, table, [], stamps)

    audit = '{"run_id":"q/1","started_at":"2026-01-01T00:00:00+00:00"}'
    first = commit(SILVER, **{AUDIT: audit})
    holes = commit(OPS_EXCHANGE_HOLES)
    commit(GOLD, **{SILVER_SNAPSHOT: str(first), HOLES_SNAPSHOT: str(holes)})
    second = commit(SILVER)
    commit(GOLD, **{SILVER_SNAPSHOT: str(second)})
    needs = needs_of(catalog, SILVER, catalog.load_table(SILVER.identifier))
    assert needs.named == {first, second}
    assert list(needs.back_to) == [second]
    assert needs.unaudited == {"q/1"}
    assert needs_of(catalog, OPS_EXCHANGE_HOLES, catalog.load_table(OPS_EXCHANGE_HOLES.identifier)).named == {holes}
    append_to(settings, OPS_COMPLETENESS, [], {SILVER_SNAPSHOT: str(first)})
    seen = needs_of(catalog, SILVER, catalog.load_table(SILVER.identifier)).back_to
    assert seen == {second: "gold goes on from here", first: "completeness goes on from here"}
    nothing = needs_of(catalog, BRONZE, catalog.load_table(BRONZE.identifier))
    assert (nothing.named, nothing.back_to, nothing.unaudited) == (frozenset(), {}, frozenset())


def test_the_holes_that_completeness_knew_are_needed(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalog = open_catalog(settings)
    create_tables(catalog)
    holes = [append_to(settings, OPS_EXCHANGE_HOLES, [], {}) for _ in range(2)]
    for each in holes:
        append_to(settings, OPS_COMPLETENESS, [], {HOLES_SNAPSHOT: str(each)})
    needs = needs_of(catalog, OPS_EXCHANGE_HOLES, catalog.load_table(OPS_EXCHANGE_HOLES.identifier))
    assert needs.named == set(holes)


def test_a_completeness_that_does_not_run_keeps_nothing_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(home=tmp_path)
    catalog = open_catalog(settings)
    create_tables(catalog)
    seen = append_to(settings, SILVER, [], {})
    append_to(settings, OPS_COMPLETENESS, [], {SILVER_SNAPSHOT: str(seen)})
    silver = catalog.load_table(SILVER.identifier)
    assert needs_of(catalog, SILVER, silver).back_to == {seen: "completeness goes on from here"}
    monkeypatch.setattr(history_module, "COMPLETENESS_WAITED_FOR", timedelta(0))
    assert needs_of(catalog, SILVER, silver).back_to == {}
