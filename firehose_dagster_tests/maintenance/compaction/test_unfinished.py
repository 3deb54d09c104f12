"""A committed rewrite is unfinished until the audit tells of it, and what it is checked against stays till then."""

from datetime import UTC, datetime
from pathlib import Path

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.compaction.proof import Stamp, to_text
from firehose_dagster.maintenance.compaction.report import kind
from firehose_dagster.maintenance.compaction.rewrite_commit import STAMP
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
