"""An old day of the audit becomes few rows, and what the audit proves stays proved."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import OFFSETS, OFFSETS_LOST, REBUILD, ROWS_LOST, Position
from firehose_dagster.contracts.trade_tables import QUARANTINE, SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.compaction.proof import Stamp, to_text
from firehose_dagster.maintenance.compaction.rewrite_commit import STAMP
from firehose_dagster.maintenance.retention.audit import roll_up_audit, summed_up
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import append, small_lake, write, write_gold

AT = datetime(2026, 1, 1, 9, tzinfo=UTC)


def _batch(number: int, start: int, end: int, **changes: Any) -> dict[str, Any]:
    counts = dict.fromkeys(("dq_fail", "duplicates", "conflicts", "late_rows", "gold_minutes", "spikes"), 0)
    return {
        "run_id": f"q/{number}",
        "kind": "micro_batch",
        "query_id": "q",
        "batch_id": number,
        "started_at": AT + timedelta(minutes=number),
        "finished_at": AT + timedelta(minutes=number, seconds=1),
        "rows_in": end - start,
        "rows_out": end - start,
        "dq_pass": end - start,
        **counts,
        "dq_fail_by_rule": [("price_is_positive", number)],
        "max_lag_ms": 100 * number,
        "offsets_start": Position("t", {0: start}).to_json(),
        "offsets_end": Position("t", {0: end}).to_json(),
        **changes,
    }


def test_batches_that_follow_each_other_become_one_row_with_their_sums() -> None:
    (row,) = summed_up([_batch(2, 5, 9), _batch(1, 0, 5), _batch(3, 9, 20, max_lag_ms=None)])
    assert (row["run_id"], row["rows_in"], row["rows_out"], row["max_lag_ms"]) == ("roll-up/q/1", 20, 20, 200)
    assert (row["offsets_start"], row["offsets_end"]) == ('{"t":{"0":0}}', '{"t":{"0":20}}')
    assert row["dq_fail_by_rule"] == [("price_is_positive", 6)]
    assert (row["started_at"], row["finished_at"]) == (
        AT + timedelta(minutes=1),
        AT + timedelta(minutes=3, seconds=1),
    )


def test_every_count_is_summed() -> None:
    counts = ("rows_in", "rows_out", "dq_pass", "dq_fail", "duplicates", "conflicts", "late_rows", "gold_minutes")
    batches = [_batch(n, 5 * n, 5 * n + 5, **dict.fromkeys((*counts, "spikes"), n)) for n in (1, 2, 3)]
    (row,) = summed_up(batches)
    assert {row[name] for name in (*counts, "spikes")} == {6}


def test_a_gap_in_the_offsets_ends_a_stretch() -> None:
    rows = summed_up([_batch(1, 0, 5), _batch(2, 5, 9), _batch(3, 12, 20)])
    assert [row["rows_in"] for row in rows] == [9, 8]


@pytest.mark.parametrize("kind", [REBUILD, OFFSETS_LOST, ROWS_LOST])
def test_what_a_table_lost_or_was_rebuilt_from_ends_a_stretch_and_stays_and_maintenance_goes(kind: str) -> None:
    marker = _batch(0, 0, 0, kind=kind, started_at=AT + timedelta(minutes=1, seconds=30))
    gone = _batch(0, 0, 0, kind="expiry:x")
    rows = summed_up([_batch(1, 0, 5), marker, _batch(2, 5, 9), gone])
    assert [(row["kind"], row["run_id"]) for row in rows] == [
        (kind, "q/0"),
        ("micro_batch", "q/1"),
        ("micro_batch", "q/2"),
    ]


def test_a_partition_that_is_new_in_a_batch_ends_a_stretch() -> None:
    later = _batch(2, 5, 9, offsets_start='{"t":{"0":5,"1":3}}', offsets_end='{"t":{"0":9,"1":4}}')
    assert len(summed_up([_batch(1, 0, 5), later])) == 2


def test_a_rolled_up_lake_is_verified_and_rolled_up_once(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    catalog = open_catalog(settings)
    record(catalog, MaintenanceRecord("r", "expiry:x", AT, AT, {}))
    before = catalog.load_table("crypto.ops_audit").scan().to_arrow().num_rows
    later = AT + timedelta(days=31)
    (outcome,) = roll_up_audit(catalog, 30, now=later)
    assert outcome[1] == before
    assert outcome[2] < before
    assert verify(settings).ok
    assert list(roll_up_audit(catalog, 30, now=later)) == []
    assert list(roll_up_audit(catalog, 0, now=later)) == []


def test_days_stay_where_it_is_off_and_where_the_stream_may_still_rebuild_them(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    catalog = open_catalog(settings)
    record(catalog, MaintenanceRecord("r", "expiry:x", AT, AT, {}))
    assert list(roll_up_audit(catalog, 0, now=AT + timedelta(days=900))) == []
    assert list(roll_up_audit(catalog, 1, now=AT + timedelta(days=7))) == []


def test_a_day_is_left_while_silver_tells_of_one_of_its_batches(tmp_path: Path) -> None:
    settings, lake = Settings(home=tmp_path), small_lake()
    # The audit has both batches, and silver, which stands still since, tells of the second too.
    lake.audit = [*lake.audit, *lake.stamped_audit]
    write(settings, lake)
    catalog, later = open_catalog(settings), AT + timedelta(days=31)
    assert list(roll_up_audit(catalog, 30, now=later)) == []
    assert verify(settings).ok
    told = catalog.load_table(SILVER.identifier).current_snapshot()
    assert told is not None
    silver_id = append(settings, SILVER, [], {OFFSETS: lake.position().to_json()})
    write_gold(settings, lake.gold, silver_id)
    catalog.load_table(SILVER.identifier).maintenance.expire_snapshots().by_id(told.snapshot_id).commit()
    assert [each[1:] for each in roll_up_audit(catalog, 30, now=later)] == [(2, 1)]
    assert verify(settings).ok


def test_a_day_is_left_while_a_table_tells_of_one_of_its_rewrites(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    catalog = open_catalog(settings)
    stamped = {STAMP: to_text(Stamp(id="rewrite-1", action="rewrite"))}
    append(settings, QUARANTINE, [], {OFFSETS: small_lake().position().to_json(), **stamped})
    record(catalog, MaintenanceRecord("rewrite-1", f"compaction:{QUARANTINE.name}", AT, AT, {}))
    assert list(roll_up_audit(catalog, 30, now=AT + timedelta(days=31))) == []


def test_days_that_cannot_become_fewer_rows_do_not_keep_the_later_ones_from_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalog = open_catalog(settings)
    create_tables(catalog)
    alone = [
        _batch(number, number, number + 1, started_at=AT + timedelta(days=number), finished_at=AT)
        for number in range(40)
    ]
    append(settings, OPS_AUDIT, [*alone, _batch(40, 40, 41, started_at=AT + timedelta(days=39, hours=1))], {})
    (outcome,) = roll_up_audit(catalog, 30, now=AT + timedelta(days=90))
    assert outcome == ((AT + timedelta(days=39)).date(), 2, 1)


def test_a_run_sums_up_a_month_at_most_and_the_next_one_goes_on(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    catalog = open_catalog(settings)
    create_tables(catalog)
    record(
        catalog,
        *(
            MaintenanceRecord(f"r{number}", "expiry:x", at := AT + timedelta(days=number), at, {})
            for number in range(33)
        ),
    )
    later = AT + timedelta(days=90)
    assert len(list(roll_up_audit(catalog, 30, now=later))) == 31
    assert len(list(roll_up_audit(catalog, 30, now=later))) == 2
