"""Planted files of a real table: backdated ones go, young ones and those of a commit under way stay."""

from pathlib import Path

import pytest

from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.contracts.table import NAMESPACE
from firehose_dagster.maintenance.orphans.plan import OrphanPlan, OrphansUnclearError
from firehose_dagster.maintenance.orphans.removal import remove_orphans
from firehose_dagster_tests.maintenance.orphans.planted_files import CONTENT, backdate, backdate_all, plant
from firehose_dagster_tests.maintenance.small_tables import (
    IDENTIFIER,
    add_statistics,
    append,
    make_lake,
    on_disk,
    overwrite,
    reached,
)


def test_backdated_orphans_go_and_everything_else_stays(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    overwrite(catalog, 0)
    append(catalog, 1)
    backdate_all(tmp_path)
    planted = [plant(tmp_path, "data/dead.parquet"), plant(tmp_path, "metadata/dead-m0.avro")]
    young = plant(tmp_path, "data/attempted_at_day=2026-03-05/in-flight.parquet", backdated=False)
    told: list[OrphanPlan] = []
    outcome = remove_orphans(settings, catalog, OPS_DELIVERIES, on_plan=told.append)
    assert outcome is not None
    assert (outcome.removed.files, outcome.removed.bytes) == (2, 2 * len(CONTENT))
    assert [len(each.orphans) for each in told] == [2]
    assert not any(path.exists() for path in planted)
    assert young.exists()
    table = catalog.load_table(IDENTIFIER)
    assert reached(table, table.metadata.snapshots) <= on_disk(table, "data") | on_disk(table, "metadata")
    assert table.scan().to_arrow().num_rows == 2


def test_statistics_that_another_engine_made_are_no_orphans(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    snapshot_id = append(catalog, 0)
    made = plant(tmp_path, "metadata/snap.stats"), plant(tmp_path, "metadata/partition-stats.parquet")
    add_statistics(catalog, snapshot_id, *made)
    outcome = remove_orphans(settings, catalog, OPS_DELIVERIES)
    assert outcome is not None
    assert outcome.plan.orphans == ()
    assert all(path.exists() for path in made)


def test_a_table_within_the_folder_of_another_is_not_taken_for_orphans(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    table = catalog.load_table(IDENTIFIER)
    catalog.create_table(f"{NAMESPACE}.inner", schema=table.schema(), location=f"{table.location()}/inner")
    backdate_all(tmp_path)
    with pytest.raises(OrphansUnclearError, match="share a folder"):
        remove_orphans(settings, catalog, OPS_DELIVERIES)


def test_a_dry_run_tells_and_removes_nothing(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    planted = plant(tmp_path, "data/dead.parquet")
    outcome = remove_orphans(settings, catalog, OPS_DELIVERIES, dry_run=True)
    assert outcome is not None
    assert [each.location for each in outcome.plan.orphans] == [f"file://{planted}"]
    assert planted.exists()


def test_a_file_that_a_commit_names_between_the_list_and_the_removal_stays(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    (file,) = on_disk(catalog.load_table(IDENTIFIER), "data")
    late = Path(file.removeprefix("file://")).with_name("late.parquet")
    late.write_bytes(Path(file.removeprefix("file://")).read_bytes())
    backdate(late)

    def commit(found: OrphanPlan) -> None:
        assert len(found.orphans) == 1
        catalog.load_table(IDENTIFIER).add_files([f"file://{late}"])

    outcome = remove_orphans(settings, catalog, OPS_DELIVERIES, on_plan=commit)
    assert outcome is not None
    assert (outcome.removed.files, outcome.named_meanwhile) == (0, 1)
    assert catalog.load_table(IDENTIFIER).scan().to_arrow().num_rows == 2


def test_a_table_that_lost_a_file_is_not_cleaned(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    planted = plant(tmp_path, "data/dead.parquet")
    (file,) = on_disk(catalog.load_table(IDENTIFIER), "data") - {f"file://{planted}"}
    Path(file.removeprefix("file://")).unlink()
    with pytest.raises(OrphansUnclearError, match="lacks"):
        remove_orphans(settings, catalog, OPS_DELIVERIES)
    assert planted.exists()
