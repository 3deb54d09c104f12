"""The quick set difference equals the one found by reading every manifest of every snapshot."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firehose_dagster.maintenance.expiry.files import FileSet, MetadataFiles, reachable_from, unreachable_without
from firehose_dagster_tests.maintenance.small_tables import (
    IDENTIFIER,
    add_statistics,
    append,
    current_id,
    make_lake,
    on_disk,
    overwrite,
    reached,
)

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, 2)),
        st.tuples(st.just("overwrite"), st.integers(0, 2)),
        st.tuples(st.just("delete"), st.integers(0, 2)),
        st.tuples(st.just("roll back"), st.integers(0, 5)),
        st.tuples(st.just("forget"), st.integers(0, 5)),
    ),
    min_size=3,
    max_size=9,
)


@pytest.mark.filterwarnings("ignore:Delete operation did not match any records")
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, chosen=st.sets(st.integers(0, 12)))
def test_unreachable_is_what_the_gone_reach_and_the_staying_do_not(
    steps: list[tuple[str, int]], chosen: set[int]
) -> None:
    with TemporaryDirectory() as folder:
        _, catalog = make_lake(Path(folder))
        append(catalog, 0)
        for what, number in steps:
            table = catalog.load_table(IDENTIFIER)
            history = [each.snapshot_id for each in table.metadata.snapshots]
            if what == "append":
                append(catalog, number)
            elif what == "overwrite":
                overwrite(catalog, number)
            elif what == "delete":
                table.delete(f"spike_id = 'spike-{number}'")
            elif what == "roll back":
                line = [each.snapshot_id for each in table.history()]
                table.manage_snapshots().set_current_snapshot(line[number % len(line)]).commit()
            elif (victim := history[number % len(history)]) != current_id(catalog):
                # As an earlier expiry leaves it: a hole in the line.
                table.maintenance.expire_snapshots().by_id(victim).commit()
        table = catalog.load_table(IDENTIFIER)
        snapshots = table.metadata.snapshots
        expired = frozenset(
            each.snapshot_id
            for number, each in enumerate(snapshots)
            if number in chosen and each.snapshot_id != current_id(catalog)
        )
        gone = [each for each in snapshots if each.snapshot_id in expired]
        staying = [each for each in snapshots if each.snapshot_id not in expired]
        found = unreachable_without(MetadataFiles(table.io), table.metadata, expired).all()
        assert found.keys() == reached(table, gone) - reached(table, staying)


def test_an_overwritten_file_goes_with_the_last_snapshot_that_had_it(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    (file,) = on_disk(catalog.load_table(IDENTIFIER), "data")
    second = append(catalog, 1)
    overwrite(catalog, 0)
    table = catalog.load_table(IDENTIFIER)
    files = MetadataFiles(table.io)
    assert unreachable_without(files, table.metadata, frozenset({first})).data == {}
    assert unreachable_without(files, table.metadata, frozenset({second})).data == {}
    both = unreachable_without(files, table.metadata, frozenset({first, second})).data
    assert both == {file: Path(file.removeprefix("file://")).stat().st_size}


def test_a_rolled_back_snapshot_takes_no_file_that_an_older_one_needs(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    first = append(catalog, 0)
    rolled_back = append(catalog, 1)
    catalog.load_table(IDENTIFIER).manage_snapshots().rollback_to_snapshot(first).commit()
    overwrite(catalog, 0)
    table = catalog.load_table(IDENTIFIER)
    found = unreachable_without(MetadataFiles(table.io), table.metadata, frozenset({rolled_back})).data
    # Of the two files that it has, the older one is the first snapshot's too.
    assert [location.split("attempted_at_day=")[1][:10] for location in found] == ["2026-03-02"]


def test_a_file_that_was_taken_back_stays_for_the_snapshot_that_had_it_first(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    append(catalog, 0)
    (file,) = on_disk(catalog.load_table(IDENTIFIER), "data")
    overwrite(catalog, 0)
    catalog.load_table(IDENTIFIER).add_files([file], check_duplicate_files=False)
    taken_back = current_id(catalog)
    catalog.load_table(IDENTIFIER).delete("spike_id = 'spike-0'")
    table = catalog.load_table(IDENTIFIER)
    assert unreachable_without(MetadataFiles(table.io), table.metadata, frozenset({taken_back})).data == {}


def test_the_sizes_that_the_metadata_tells_are_those_on_disk(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    append(catalog, 0)
    overwrite(catalog, 0)
    table = catalog.load_table(IDENTIFIER)
    found = reachable_from(MetadataFiles(table.io), table.metadata, table.metadata.snapshots)
    told = {location: size for location, size in found.all().items() if size is not None}
    assert told == {location: Path(location.removeprefix("file://")).stat().st_size for location in told}
    assert found.data.keys() == on_disk(table, "data")


def test_statistics_go_with_their_snapshot_and_no_sooner(tmp_path: Path) -> None:
    _, catalog = make_lake(tmp_path)
    first, second = append(catalog, 0), append(catalog, 1)
    add_statistics(catalog, first, Path("/first.stats"), Path("/first.parquet"))
    add_statistics(catalog, second, Path("/second.stats"), Path("/second.parquet"))
    metadata = catalog.load_table(IDENTIFIER).metadata
    files = MetadataFiles(catalog.load_table(IDENTIFIER).io)
    of_first = {"file:///first.stats": 3, "file:///first.parquet": 3}
    assert unreachable_without(files, metadata, frozenset({first})).statistics == of_first
    of_second = {"file:///second.stats": 3, "file:///second.parquet": 3}
    assert reachable_from(files, metadata, metadata.snapshots).statistics == of_first | of_second


def test_files_are_deleted_before_what_names_them() -> None:
    files = FileSet(data={"d": 1}, manifests={"m": 2}, manifest_lists={"l": None}, statistics={"s": 3})
    assert list(files.all()) == ["d", "s", "m", "l"]
    assert list(files.without(FileSet(manifests={"m": 2})).all()) == ["d", "s", "l"]
