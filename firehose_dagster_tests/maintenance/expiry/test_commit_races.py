"""What others commit between the plan of an expiry and its commit keeps what it needs."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException

from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.expiry import table_expiry
from firehose_dagster.maintenance.expiry.table_expiry import Expiry
from firehose_dagster_tests.maintenance.expiry.expiring import AT_ONCE, expire, files_of, ids_in, needs_nothing
from firehose_dagster_tests.maintenance.small_tables import (
    IDENTIFIER,
    append,
    make_lake,
    on_disk,
    reached,
)


def _right_before_the_commit(catalog: Catalog, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Let another one be first, once: between what expiry loaded and what it commits."""
    commit_table = catalog.commit_table

    def other_one_first(*arguments: Any) -> Any:
        monkeypatch.undo()
        act()
        return commit_table(*arguments)

    monkeypatch.setattr(catalog, "commit_table", other_one_first)


def test_a_tag_set_after_the_plan_was_made_stops_the_commit(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)

    def tag(step: str) -> None:
        if step == "journal written":
            catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(first, "late").commit()

    with pytest.raises(CommitFailedException, match="named or removed meanwhile"):
        expire(settings, catalog, on_step=tag)
    assert ids_in(catalog, first) == ["spike-0"]
    assert expire(settings, catalog).snapshots_expired == 0


def test_a_table_rolled_back_onto_a_snapshot_that_is_to_go_keeps_it(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)

    def roll_back(step: str) -> None:
        if step == "journal written":
            catalog.load_table(IDENTIFIER).manage_snapshots().rollback_to_snapshot(first).commit()

    with pytest.raises(CommitFailedException):
        expire(settings, catalog, on_step=roll_back)
    assert ids_in(catalog) == ["spike-0"]


@pytest.mark.parametrize("knows_iceberg_requirements_alone", [False, True], ids=["embedded", "as a REST catalog"])
def test_a_table_rolled_back_in_the_moment_of_the_commit_keeps_its_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, knows_iceberg_requirements_alone: bool
) -> None:
    settings, catalog = make_lake(tmp_path)
    if knows_iceberg_requirements_alone:
        monkeypatch.setattr(table_expiry, "MetastoreCatalog", ())
    first = append(catalog, 0)
    append(catalog, 1)
    _right_before_the_commit(
        catalog,
        monkeypatch,
        lambda: catalog.load_table(IDENTIFIER).manage_snapshots().rollback_to_snapshot(first).commit(),
    )
    with pytest.raises(CommitFailedException, match="named or removed meanwhile"):
        expire(settings, catalog)
    assert ids_in(catalog) == ["spike-0"]


def test_a_tag_set_in_the_moment_of_the_commit_keeps_its_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)
    _right_before_the_commit(
        catalog,
        monkeypatch,
        lambda: catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(first, "by.hand").commit(),
    )
    with pytest.raises(CommitFailedException, match="named or removed meanwhile"):
        expire(settings, catalog)
    assert ids_in(catalog, first) == ["spike-0"]
    assert expire(settings, catalog).snapshots_expired == 0


def test_a_writer_that_never_pauses_loses_no_row_and_no_commit(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    stop, failures, written = threading.Event(), list[BaseException](), [0]

    def write() -> None:
        own = open_catalog(settings)
        try:
            while not stop.is_set() or written[0] < 5:
                written[0] += 1
                append(own, written[0] % 5)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    writer = threading.Thread(target=write)
    writer.start()
    expired = 0
    try:
        for _ in range(4):
            seen = written[0]
            while written[0] < seen + 2 and not failures:
                stop.wait(0.02)
            expiry = Expiry(settings, catalog, "ops_deliveries", IDENTIFIER)
            expired += expiry.run(needs_nothing, AT_ONCE).snapshots_expired
    finally:
        stop.set()
        writer.join()
    assert failures == []
    assert expired > 0
    assert len(ids_in(catalog)) == written[0] + 1
    expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    # Its own lost races leave manifests that no snapshot ever named: those are for orphan removal.
    assert reached(table, table.metadata.snapshots) <= files_of(table)
    assert on_disk(table, "data") <= reached(table, table.metadata.snapshots)
