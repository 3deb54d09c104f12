"""What a table's metadata says of its own files: each once, and as many rows as it states."""

from pathlib import Path
from types import SimpleNamespace
from typing import cast

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.verification.data_files import data_files_are_listed_once
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.judging import failed, settings_of, told
from firehose_dagster_tests.verification.small_lake import small_lake, write


def _lake(stated: int, *files: tuple[str, int]) -> PinnedLake:
    """One table that lists these files, each with its rows."""
    tasks = [
        SimpleNamespace(file=SimpleNamespace(file_path=path, record_count=rows), delete_files=())
        for path, rows in files
    ]
    summary = SimpleNamespace(additional_properties={"total-records": str(stated)})
    table = SimpleNamespace(
        current_snapshot=lambda: SimpleNamespace(snapshot_id=7, summary=summary),
        scan=lambda snapshot_id: SimpleNamespace(plan_files=lambda: tasks),
    )
    return cast(PinnedLake, SimpleNamespace(tables={"silver": table}))


def test_files_that_are_listed_once_and_add_up_are_no_breach() -> None:
    check = data_files_are_listed_once(_lake(5, ("a", 2), ("b", 3)))
    assert (check.breaches, check.figures) == (0, {"files": 2, "tables": 1})


def test_a_file_that_is_listed_twice_is_found() -> None:
    assert data_files_are_listed_once(_lake(4, ("a", 2), ("a", 2))).examples == ("silver lists a more than once",)


def test_rows_that_no_file_holds_are_found() -> None:
    check = data_files_are_listed_once(_lake(6, ("a", 2), ("b", 3)))
    assert check.examples == ("silver states 6 rows in snapshot 7, its files hold 5",)


def test_a_file_that_only_the_snapshot_behind_gold_lists_is_looked_for_too(tmp_path: Path) -> None:
    lake, settings = small_lake(), settings_of(tmp_path)
    write(settings, lake)
    silver = open_catalog(settings).load_table(SILVER.identifier)
    rows = silver.scan().to_arrow()
    (replaced, *_) = [task.file.file_path for task in silver.scan().plan_files()]
    silver.overwrite(rows, snapshot_properties={OFFSETS: lake.position().to_json()})
    Path(replaced.removeprefix("file://")).unlink()
    report = verify(settings)
    assert failed(report) == {"data_files_are_listed_once"}
    assert told(report) == f"{SILVER.name} lists {replaced}, which is not there"
