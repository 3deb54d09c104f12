"""Expiry on a real table: what stays is readable, what goes frees its bytes, whatever happens in between."""

from pathlib import Path

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster_tests.maintenance.expiry.expiring import expire, files_of, ids_in
from firehose_dagster_tests.maintenance.small_tables import (
    IDENTIFIER,
    append,
    current_id,
    make_lake,
    overwrite,
    reached,
)


def test_only_what_the_table_still_needs_is_left_on_disk(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    for day in range(4):
        append(catalog, day)
    overwrite(catalog, 0)
    rows, before = ids_in(catalog), files_of(catalog.load_table(IDENTIFIER))
    outcome = expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    assert ids_in(catalog) == rows
    assert files_of(table) == reached(table, table.metadata.snapshots)
    assert [each.snapshot_id for each in table.metadata.snapshots] == [current_id(catalog)]
    assert outcome.removed.files == len(before) - len(files_of(table))
    assert outcome.snapshots_expired == 5  # pyiceberg's overwrite commits twice


def test_the_bytes_freed_are_the_bytes_gone_from_disk(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    overwrite(catalog, 0)

    def size() -> int:
        return sum(
            Path(each.removeprefix("file://")).stat().st_size for each in files_of(catalog.load_table(IDENTIFIER))
        )

    before = size()
    assert expire(settings, catalog).removed.bytes == before - size() > 0


def test_a_run_that_finds_nothing_changes_nothing(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    location = catalog.load_table(IDENTIFIER).metadata_location
    outcome = expire(settings, catalog)
    assert (outcome.snapshots_expired, outcome.commits, outcome.removed.files) == (0, 0, 0)
    assert catalog.load_table(IDENTIFIER).metadata_location == location


def test_an_empty_table_is_left_alone(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    assert expire(settings, catalog).commits == 0


def test_the_position_is_found_after_expiry_behind_commits_without_one(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0, **{OFFSETS: '{"t":{"0":5}}'})
    append(catalog, 1, **{OFFSETS: '{"t":{"0":9}}'})
    append(catalog, 2)
    append(catalog, 3)
    assert expire(settings, catalog).snapshots_expired == 1
    assert newest_stamp(catalog.load_table(IDENTIFIER), OFFSETS) == '{"t":{"0":9}}'


def test_a_tagged_snapshot_is_read_as_before_and_goes_when_its_tag_is_gone(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    sealed = append(catalog, 1)
    catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(sealed, "sealed").commit()
    overwrite(catalog, 0)
    overwrite(catalog, 1)
    expire(settings, catalog)
    assert ids_in(catalog, sealed) == ["spike-0", "spike-1"]
    catalog.load_table(IDENTIFIER).manage_snapshots().remove_tag("sealed").commit()
    outcome = expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    assert outcome.snapshots_expired == 1
    assert files_of(table) == reached(table, table.metadata.snapshots)


def test_a_tag_behind_expired_snapshots_keeps_its_files_and_leaves_none_when_it_goes(tmp_path: Path) -> None:
    settings, catalog = make_lake(tmp_path)
    append(catalog, 0)
    sealed = append(catalog, 1)
    catalog.load_table(IDENTIFIER).manage_snapshots().create_tag(sealed, "sealed").commit()
    overwrite(catalog, 0)
    # From now on no line of parents leads from the current snapshot to the tag.
    assert expire(settings, catalog).snapshots_expired == 2
    overwrite(catalog, 1)
    assert expire(settings, catalog).snapshots_expired == 2
    assert ids_in(catalog, sealed) == ["spike-0", "spike-1"]
    catalog.load_table(IDENTIFIER).manage_snapshots().remove_tag("sealed").commit()
    expire(settings, catalog)
    table = catalog.load_table(IDENTIFIER)
    assert files_of(table) == reached(table, table.metadata.snapshots)
