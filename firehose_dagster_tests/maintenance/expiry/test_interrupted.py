"""An expiry that was interrupted is ended by the next run, by what its journal tells."""

from pathlib import Path
from uuid import UUID

import pytest

from firehose_dagster.maintenance.expiry.journal import ExpiryJournal, JournalFile
from firehose_dagster.maintenance.expiry.table_expiry import STEPS
from firehose_dagster_tests.maintenance.expiry.expiring import Killed, expire, files_of, ids_in
from firehose_dagster_tests.maintenance.small_tables import (
    IDENTIFIER,
    append,
    current_id,
    make_lake,
    overwrite,
    reached,
)


@pytest.mark.parametrize("step", STEPS)
def test_the_run_after_one_that_was_killed_leaves_the_same_files(tmp_path: Path, step: str) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    overwrite(catalog, 0)
    append(catalog, 1)

    def kill(reached_step: str) -> None:
        if reached_step == step:
            raise Killed

    with pytest.raises(Killed):
        expire(settings, catalog, on_step=kill)
    assert ids_in(catalog) == ["spike-0", "spike-1"]
    append(catalog, 2)
    expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    assert ids_in(catalog) == ["spike-0", "spike-1", "spike-2"]
    assert files_of(table) == reached(table, table.metadata.snapshots)


def test_a_file_that_a_later_commit_took_back_outlives_the_killed_run(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    table = catalog.load_table(IDENTIFIER)
    (entry,) = table.inspect.entries().to_pylist()
    overwritten = overwrite(catalog, 0)

    def take_back(step: str) -> None:
        if step == "committed" and current_id(catalog) == overwritten:
            catalog.load_table(IDENTIFIER).add_files([entry["data_file"]["file_path"]], check_duplicate_files=False)

    expire(settings, catalog, on_step=take_back)
    assert ids_in(catalog) == ["spike-0", "spike-0"]


def test_a_journal_that_a_power_cut_tore_does_not_stop_expiry(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    append(catalog, 1)

    def kill(step: str) -> None:
        if step == "journal written":
            raise Killed

    with pytest.raises(Killed):
        expire(settings, catalog, on_step=kill)
    journal = settings.state_dir / "maintenance" / "expiry-ops_deliveries.json"
    journal.write_bytes(journal.read_bytes()[:20])
    outcome = expire(settings, catalog)
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
