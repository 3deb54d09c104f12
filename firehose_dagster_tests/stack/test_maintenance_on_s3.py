"""Expiry and orphan removal where the lake lies on S3: the files that go are gone from the bucket, all others stay."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from pyarrow.fs import FileInfo, FileSelector, FileType
from pydantic import SecretStr
from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs
from firehose_dagster.maintenance.expiry.table_expiry import Expiry
from firehose_dagster.maintenance.orphans.plan import SMALLEST_AGE
from firehose_dagster.maintenance.orphans.removal import remove_orphans
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.small_tables import IDENTIFIER, append, make_lake, overwrite, reached
from firehose_dagster_tests.stack.object_store import ObjectStore, object_store

pytestmark = [pytest.mark.stack, pytest.mark.slow]

FOLDER = f"lake/warehouse/crypto/{OPS_DELIVERIES.name}"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ObjectStore]:
    with object_store(tmp_path / "s3") as running:
        yield running


@pytest.fixture
def lake(tmp_path: Path, store: ObjectStore) -> tuple[Settings, Catalog]:
    """One table with three commits, of which the second replaced the first's row."""
    settings, catalog = make_lake(
        tmp_path / "home",
        warehouse="s3://lake/warehouse",
        s3_endpoint=store.endpoint,
        s3_access_key=SecretStr(store.key),
        s3_secret_key=SecretStr(store.secret),
    )
    append(catalog, 0)
    overwrite(catalog, 0)
    append(catalog, 1)
    return settings, catalog


def stored(store: ObjectStore) -> dict[str, FileInfo]:
    """The bucket's objects of the table."""
    found = store.files().get_file_info(FileSelector(FOLDER, recursive=True))
    return {f"s3://{each.path}": each for each in found if each.type == FileType.File}


def put(store: ObjectStore, name: str) -> datetime:
    """Write an object into the table's folder; when that was, as the store has it."""
    with store.files().open_output_stream(f"{FOLDER}/{name}") as stream:
        stream.write(b"left by a writer that died")
    changed_at: datetime = stored(store)[f"s3://{FOLDER}/{name}"].mtime
    return changed_at


def test_expired_snapshots_take_their_files_out_of_the_bucket(
    lake: tuple[Settings, Catalog], store: ObjectStore
) -> None:
    settings, catalog = lake
    before = stored(store)
    expiry = Expiry(settings, catalog, OPS_DELIVERIES.name, IDENTIFIER, quiet_after_seconds=0)
    outcome = expiry.run(lambda _: Needs(), ExpiryPolicy(timedelta(0), 1))
    table = catalog.load_table(IDENTIFIER)
    left = {each for each in stored(store) if not each.endswith(".metadata.json")}
    assert left == reached(table, table.metadata.snapshots)
    assert len(table.metadata.snapshots) == 1
    # Of the two data files of day 0 one was replaced; the bytes are what the bucket no longer holds.
    gone = before.keys() - stored(store).keys()
    assert len([each for each in gone if each.endswith(".parquet")]) == 1
    assert (outcome.removed.files, outcome.removed.bytes) == (len(gone), sum(before[each].size for each in gone))
    assert table.scan().to_arrow().num_rows == 2


def test_old_orphans_leave_the_bucket_and_what_may_be_in_flight_stays(
    lake: tuple[Settings, Catalog], store: ObjectStore
) -> None:
    settings, catalog = lake
    needed = stored(store).keys()
    dead_at = max(put(store, "data/dead.parquet"), put(store, "metadata/dead-m0.avro"))
    while (in_flight_at := put(store, "data/in-flight.parquet")) <= dead_at:
        pass  # the store's clock counts in seconds
    told: list[int] = []
    outcome = remove_orphans(
        settings,
        catalog,
        OPS_DELIVERIES,
        now=in_flight_at + SMALLEST_AGE,
        on_plan=lambda plan: told.append(len(plan.orphans)),
    )
    assert outcome is not None
    assert (told, outcome.removed.files, outcome.plan.young) == ([2], 2, 1)
    assert stored(store).keys() == {*needed, f"s3://{FOLDER}/data/in-flight.parquet"}
    assert catalog.load_table(IDENTIFIER).scan().to_arrow().num_rows == 2
