"""A real SIGKILL at every step of an orphan removal: nothing but orphans is gone, and the next run removes the rest."""

from pathlib import Path

import pytest

from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.maintenance.orphans.removal import OrphanStep, remove_orphans
from firehose_dagster_tests.maintenance.killed_child import killed
from firehose_dagster_tests.maintenance.orphans.planted_files import backdate_all, plant
from firehose_dagster_tests.maintenance.small_tables import IDENTIFIER, append, make_lake, on_disk, overwrite, reached

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

ORPHANS = 12
"""More than are removed at the same time."""


@pytest.mark.parametrize(
    ("step", "times"),
    [*((step, 1) for step in OrphanStep), (OrphanStep.FILE_REMOVED, ORPHANS // 2), (OrphanStep.FILE_REMOVED, ORPHANS)],
)
def test_a_killed_orphan_removal_is_ended_by_the_next(tmp_path: Path, step: OrphanStep, times: int) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    overwrite(catalog, 0)
    append(catalog, 1)
    backdate_all(tmp_path)
    table = catalog.load_table(IDENTIFIER)
    needed = on_disk(table, "data") | on_disk(table, "metadata")
    orphans = [plant(tmp_path, f"data/dead-{number}.parquet") for number in range(ORPHANS - 1)]
    orphans.append(plant(tmp_path, "metadata/dead-m0.avro"))
    # A writer has written this and not yet committed it: the kill does not hinder it, and neither does the next run.
    (data_file,) = reached(table, [table.metadata.snapshots[0]]) & on_disk(table, "data")
    in_flight = plant(tmp_path, "data/in-flight.parquet", backdated=False)
    in_flight.write_bytes(Path(data_file.removeprefix("file://")).read_bytes())

    killed("orphans", tmp_path, step, times)
    assert needed <= on_disk(table, "data") | on_disk(table, "metadata")
    assert in_flight.exists()
    assert table.scan().to_arrow().num_rows == 2
    left = sum(each.exists() for each in orphans)
    if step in (OrphanStep.LISTED, OrphanStep.TOLD, OrphanStep.LOOKED_AGAIN):
        assert left == ORPHANS
    # Those of the other threads may be gone too.
    assert left <= ORPHANS - times if step is OrphanStep.FILE_REMOVED else True

    outcome = remove_orphans(settings, catalog, OPS_DELIVERIES)
    assert outcome is not None
    assert (outcome.removed.files, outcome.plan.young) == (left, 1)
    assert not any(each.exists() for each in orphans)
    assert needed <= on_disk(table, "data") | on_disk(table, "metadata")
    catalog.load_table(IDENTIFIER).add_files([f"file://{in_flight}"])
    assert catalog.load_table(IDENTIFIER).scan().to_arrow().num_rows == 3
