"""The files of one partition are found in the manifests that can list them, and in no others."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyiceberg.manifest import ManifestEntry, ManifestFile

from firehose_dagster.maintenance.compaction.live_files import listing, partition_listing
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import (
    HOUR,
    HOUR_ORDINAL,
    append,
    loaded,
    made_lake,
    trade,
)


def _four_hours(settings: Settings) -> None:
    for hour in range(4):
        append(settings, [trade(2 * hour + 1, at=HOUR + timedelta(hours=hour)), trade(2 * hour + 2, at=HOUR)])


def test_each_partition_lists_what_the_whole_table_lists_of_it(tmp_path: Path) -> None:
    settings = made_lake(tmp_path)
    _four_hours(settings)
    table = loaded(settings)
    held = listing(table)
    assert held is not None
    assert {file.partition for file in held.files} == {HOUR_ORDINAL + hour for hour in range(4)}
    for partition in {file.partition for file in held.files}:
        files, _ = partition_listing(table, held.snapshot_id, partition)
        assert {file.path for file in files} == {file.path for file in held.files if file.partition == partition}


def test_the_commit_that_is_asked_about_is_told_whatever_partition_is_asked_for(tmp_path: Path) -> None:
    settings = made_lake(tmp_path)
    _four_hours(settings)
    table = loaded(settings)
    held = listing(table)
    assert held is not None
    newest = {file.path for file in held.files if file.partition == HOUR_ORDINAL + 3}
    _, change = partition_listing(table, held.snapshot_id, HOUR_ORDINAL + 1)
    assert newest < change.added
    assert len(change.added) == 2
    assert change.removed == frozenset()


def test_manifests_of_other_hours_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = made_lake(tmp_path)
    for hour in range(4):
        append(settings, [trade(hour + 1, at=HOUR + timedelta(hours=hour))])
    table = loaded(settings)
    held = listing(table)
    assert held is not None
    read: list[str] = []
    fetch = ManifestFile.fetch_manifest_entry

    def noting(manifest: ManifestFile, *arguments: Any, **named: Any) -> list[ManifestEntry]:
        read.append(manifest.manifest_path)
        return fetch(manifest, *arguments, **named)

    monkeypatch.setattr(ManifestFile, "fetch_manifest_entry", noting)
    files, _ = partition_listing(table, held.snapshot_id, HOUR_ORDINAL + 1)
    assert [file.rows for file in files] == [1]
    assert len(read) == 2, "the hour's own, and that of the snapshot itself"


def test_a_partition_that_holds_nothing_lists_nothing(tmp_path: Path) -> None:
    settings = made_lake(tmp_path)
    _four_hours(settings)
    table = loaded(settings)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert partition_listing(table, snapshot.snapshot_id, HOUR_ORDINAL - 1)[0] == []
    assert partition_listing(table, snapshot.snapshot_id, None)[0] == []
