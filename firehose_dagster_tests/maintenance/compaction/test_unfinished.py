"""A committed rewrite is unfinished until the audit tells of it, and what it is checked against stays till then."""

import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

from pyiceberg.io.pyarrow import parquet_files_to_data_files
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.compaction.fingerprint import fingerprint
from firehose_dagster.maintenance.compaction.live_files import listing
from firehose_dagster.maintenance.compaction.plan import CompactionPlan
from firehose_dagster.maintenance.compaction.proof import Stamp, to_text
from firehose_dagster.maintenance.compaction.report import Outcome, kind
from firehose_dagster.maintenance.compaction.rewrite_commit import STAMP, TableRewriter
from firehose_dagster.maintenance.compaction.rewrite_files import sorted_rows, write_sorted
from firehose_dagster.maintenance.compaction.run import CompactionRun
from firehose_dagster.maintenance.compaction.unfinished import unfinished
from firehose_dagster.maintenance.expiry.lake import what_is_needed
from firehose_dagster_tests.maintenance.compaction.small_files import (
    HOUR_ORDINAL,
    append,
    loaded,
    made_lake,
    trade,
)


def test_a_rewrite_that_the_audit_does_not_tell_is_unfinished_and_holds_the_snapshot_before_it(tmp_path: Path) -> None:
    settings = made_lake(tmp_path)
    before = append(settings, [trade(1)])
    stamp = Stamp(id="r1", action="rewrite", partition=HOUR_ORDINAL)
    rewrite = append(settings, [trade(2)], stamps={STAMP: to_text(stamp)})
    append(settings, [trade(3)], stamps={STAMP: to_text(Stamp(id="m1", action="manifests"))})
    catalog = open_catalog(settings)
    (found,) = unfinished(catalog, loaded(settings), SILVER)
    assert (found.stamp, found.rewrite.snapshot_id, found.parent_id) == (stamp, rewrite, before)
    assert what_is_needed(catalog, SILVER)(loaded(settings)).back_to == {before: "unfinished compaction"}

    now = datetime.now(UTC)
    record(catalog, MaintenanceRecord("r1", kind(SILVER), now, now, {}))
    assert unfinished(catalog, loaded(settings), SILVER) == []
    assert what_is_needed(catalog, SILVER)(loaded(settings)).back_to == {}


def test_what_a_dead_run_left_is_finished_though_the_snapshot_before_it_has_expired(tmp_path: Path) -> None:
    settings = made_lake(tmp_path)
    append(settings, [trade(1)])
    before = append(settings, [trade(2)])
    catalog, table = open_catalog(settings), loaded(settings)
    old = [task.file for task in table.scan().plan_files()]
    held = fingerprint(table, SILVER, [file.file_path for file in old])
    new_path = write_sorted(table, SILVER, sorted_rows(table, SILVER, [file.file_path for file in old]))
    stamp = Stamp(id="r1", action="rewrite", partition=HOUR_ORDINAL, rows=2, digest=held.digest())
    _replace(table, old, new_path, {STAMP: to_text(stamp)})
    append(settings, [trade(3)])
    loaded(settings).maintenance.expire_snapshots().by_id(before).commit()

    (found,) = unfinished(catalog, loaded(settings), SILVER)
    # A catalog in Java goes on telling the parent, pyiceberg's forgets it.
    assert found.parent_id is None
    pending = [replace(found, parent_id=before)]
    now = listing(loaded(settings))
    assert now is not None
    # With nothing to put back there is nothing for the means to commit.
    run = CompactionRun(settings, catalog, SILVER, cast(TableRewriter, None), lambda _: None)
    report = run.work(now, CompactionPlan((), 0, 0), pending, threading.Event())
    assert [(each.id, each.outcome) for each in report.results] == [("r1", Outcome.REWRITTEN)]
    assert unfinished(catalog, loaded(settings), SILVER) == []


def _replace(table: IcebergTable, old: list[DataFile], new_path: str, stamps: dict[str, str]) -> None:
    """In one commit, as compaction's is."""
    (new,) = parquet_files_to_data_files(table.io, table.metadata, iter([new_path]))
    with table.transaction() as transaction, transaction.update_snapshot(stamps).overwrite() as update:
        for file in old:
            update.delete_data_file(file)
        update.append_data_file(new)
