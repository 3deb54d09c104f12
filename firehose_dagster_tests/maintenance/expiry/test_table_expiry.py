"""Expiry on a real table: what stays is readable, what goes frees its bytes, whatever happens in between."""

import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import CommitFailedException
from pyiceberg.table import Table

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.maintenance.expiry.journal import ExpiryJournal, JournalFile
from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs
from firehose_dagster.maintenance.expiry.table_expiry import STEPS, Expiry, ExpiryOutcome
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.small_tables import (
    IDENTIFIER,
    append,
    current_id,
    make_lake,
    on_disk,
    overwrite,
    reached,
)

AT_ONCE = ExpiryPolicy(min_age=timedelta(0), min_snapshots=1)


class _Killed(BaseException):
    """Ends a run as a kill would: nothing below it is cleaned up."""


def _needs_nothing(_: Table) -> Needs:
    return Needs()


def _expire(
    settings: Settings,
    catalog: Catalog,
    *,
    policy: ExpiryPolicy = AT_ONCE,
    needs: Callable[[Table], Needs] = _needs_nothing,
    on_step: Callable[[str], None] = lambda _: None,
) -> ExpiryOutcome:
    expiry = Expiry(settings, catalog, "ops_deliveries", IDENTIFIER, quiet_after_seconds=0, on_step=on_step)
    return expiry.run(needs, policy)


def _files(table: Table) -> set[str]:
    """Data files, manifests and manifest lists on disk."""
    return on_disk(table, "data") | {each for each in on_disk(table, "metadata") if each.endswith(".avro")}


def _rows(catalog: Catalog, snapshot_id: int | None = None) -> list[str]:
    return sorted(catalog.load_table(IDENTIFIER).scan(snapshot_id=snapshot_id).to_arrow()["spike_id"].to_pylist())


def test_only_what_the_table_still_needs_is_left_on_disk(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    for day in range(4):
        append(catalog, day)
    overwrite(catalog, 0)
    rows, before = _rows(catalog), _files(catalog.load_table(IDENTIFIER))
    outcome = _expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    assert _rows(catalog) == rows
    assert _files(table) == reached(table, table.metadata.snapshots)
    assert [each.snapshot_id for each in table.metadata.snapshots] == [current_id(catalog)]
    assert outcome.removed.files == len(before) - len(_files(table))
    assert outcome.snapshots_expired == 5  # pyiceberg's overwrite commits twice


def test_the_bytes_freed_are_the_bytes_gone_from_disk(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    overwrite(catalog, 0)

    def size() -> int:
        return sum(Path(each.removeprefix("file://")).stat().st_size for each in _files(catalog.load_table(IDENTIFIER)))

    before = size()
    assert _expire(settings, catalog).removed.bytes == before - size() > 0


def test_a_run_that_finds_nothing_changes_nothing(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    location = catalog.load_table(IDENTIFIER).metadata_location
    outcome = _expire(settings, catalog)
    assert (outcome.snapshots_expired, outcome.commits, outcome.removed.files) == (0, 0, 0)
    assert catalog.load_table(IDENTIFIER).metadata_location == location


def test_an_empty_table_is_left_alone(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    assert _expire(settings, catalog).commits == 0


def test_the_position_is_found_after_expiry_behind_commits_without_one(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0, **{OFFSETS: '{"t":{"0":5}}'})
    append(catalog, 1, **{OFFSETS: '{"t":{"0":9}}'})
    append(catalog, 2)
    append(catalog, 3)
    assert _expire(settings, catalog).snapshots_expired == 1
    assert newest_stamp(catalog.load_table(IDENTIFIER), OFFSETS) == '{"t":{"0":9}}'


def test_a_tagged_snapshot_is_read_as_before_and_goes_when_its_tag_is_gone(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    sealed = append(catalog, 1)
    catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(sealed, "sealed").commit()
    overwrite(catalog, 0)
    overwrite(catalog, 1)
    _expire(settings, catalog)
    assert _rows(catalog, sealed) == ["spike-0", "spike-1"]
    catalog.load_table(IDENTIFIER).manage_snapshots().remove_tag("sealed").commit()
    outcome = _expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    assert outcome.snapshots_expired == 1
    assert _files(table) == reached(table, table.metadata.snapshots)


@pytest.mark.parametrize("step", STEPS)
def test_the_run_after_one_that_was_killed_leaves_the_same_files(tmp_path: Path, step: str) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    overwrite(catalog, 0)
    append(catalog, 1)

    def kill(reached_step: str) -> None:
        if reached_step == step:
            raise _Killed

    with pytest.raises(_Killed):
        _expire(settings, catalog, on_step=kill)
    assert _rows(catalog) == ["spike-0", "spike-1"]
    append(catalog, 2)
    _expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    assert _rows(catalog) == ["spike-0", "spike-1", "spike-2"]
    assert _files(table) == reached(table, table.metadata.snapshots)


def test_a_file_that_a_later_commit_took_back_outlives_the_killed_run(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    table = catalog.load_table(IDENTIFIER)
    (entry,) = table.inspect.entries().to_pylist()
    overwritten = overwrite(catalog, 0)

    def take_back(step: str) -> None:
        if step == "committed" and current_id(catalog) == overwritten:
            catalog.load_table(IDENTIFIER).add_files([entry["data_file"]["file_path"]], check_duplicate_files=False)

    _expire(settings, catalog, on_step=take_back)
    assert _rows(catalog) == ["spike-0", "spike-0"]


def test_a_tag_set_after_the_plan_was_made_stops_the_commit(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)

    def tag(step: str) -> None:
        if step == "journal written":
            catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(first, "late").commit()

    with pytest.raises(CommitFailedException, match="named or removed meanwhile"):
        _expire(settings, catalog, on_step=tag)
    assert _rows(catalog, first) == ["spike-0"]
    assert _expire(settings, catalog).snapshots_expired == 0


def test_a_table_rolled_back_onto_a_snapshot_that_is_to_go_keeps_it(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)

    def roll_back(step: str) -> None:
        if step == "journal written":
            catalog.load_table(IDENTIFIER).manage_snapshots().rollback_to_snapshot(first).commit()

    with pytest.raises(CommitFailedException):
        _expire(settings, catalog, on_step=roll_back)
    assert _rows(catalog) == ["spike-0"]


def test_a_table_rolled_back_in_the_moment_of_the_commit_keeps_its_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)
    commit_table = catalog.commit_table

    def roll_back_first(*arguments: Any) -> Any:
        monkeypatch.undo()
        catalog.load_table(IDENTIFIER).manage_snapshots().rollback_to_snapshot(first).commit()
        return commit_table(*arguments)

    monkeypatch.setattr(catalog, "commit_table", roll_back_first)
    with pytest.raises(CommitFailedException, match="named or removed meanwhile"):
        _expire(settings, catalog)
    assert _rows(catalog) == ["spike-0"]


def test_a_tag_set_in_the_moment_of_the_commit_keeps_its_snapshot(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    append(catalog, 1)
    commit_table = catalog.commit_table

    def tag_first(*arguments: Any) -> Any:
        monkeypatch.undo()
        catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(first, "by.hand").commit()
        return commit_table(*arguments)

    monkeypatch.setattr(catalog, "commit_table", tag_first)
    with pytest.raises(CommitFailedException, match="named or removed meanwhile"):
        _expire(settings, catalog)
    assert _rows(catalog, first) == ["spike-0"]
    assert _expire(settings, catalog).snapshots_expired == 0


def test_a_tag_behind_expired_snapshots_keeps_its_files_and_leaves_none_when_it_goes(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    sealed = append(catalog, 1)
    catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(sealed, "sealed").commit()
    overwrite(catalog, 0)
    # From now on no line of parents leads from the current snapshot to the tag.
    assert _expire(settings, catalog).snapshots_expired == 2
    overwrite(catalog, 1)
    assert _expire(settings, catalog).snapshots_expired == 2
    assert _rows(catalog, sealed) == ["spike-0", "spike-1"]
    catalog.load_table(IDENTIFIER).manage_snapshots().remove_tag("sealed").commit()
    _expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    assert _files(table) == reached(table, table.metadata.snapshots)


def test_a_journal_that_a_power_cut_tore_does_not_stop_expiry(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    append(catalog, 1)

    def kill(step: str) -> None:
        if step == "journal written":
            raise _Killed

    with pytest.raises(_Killed):
        _expire(settings, catalog, on_step=kill)
    journal = settings.state_dir / "maintenance" / "expiry-ops_deliveries.json"
    journal.write_bytes(journal.read_bytes()[:20])
    outcome = _expire(settings, catalog)
    assert (outcome.snapshots_expired, outcome.resumed) == (1, False)
    assert not journal.exists()


def test_a_journal_that_was_not_written_to_its_end_leaves_the_one_before_it(tmp_path: Path) -> None:
    settings, _ = make_lake(tmp_path)
    file = JournalFile(settings, "t")
    journal = ExpiryJournal(UUID(int=1), [1], {"file:///a": 3}, 7)
    file.write(journal)
    folder = settings.state_dir / "maintenance"
    # What a kill between writing and renaming leaves.
    (folder / "expiry-t.part").write_bytes(b'{"table_uuid":')
    assert file.read() == journal
    later = ExpiryJournal(UUID(int=1), [2], {}, 8)
    file.write(later)
    assert file.read() == later
    assert [path.name for path in folder.iterdir()] == ["expiry-t.json"]


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
            expired += expiry.run(_needs_nothing, AT_ONCE).snapshots_expired
    finally:
        stop.set()
        writer.join()
    assert failures == []
    assert expired > 0
    assert len(_rows(catalog)) == written[0] + 1
    _expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    # Its own lost races leave manifests that no snapshot ever named: those are for orphan removal.
    assert reached(table, table.metadata.snapshots) <= _files(table)
    assert on_disk(table, "data") <= reached(table, table.metadata.snapshots)
