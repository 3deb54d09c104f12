"""An old day of the audit becomes few rows, and what the audit proves stays proved."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from firehose_dagster.contracts.position import OFFSETS_LOST, REBUILD, ROWS_LOST, Position
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.retention.audit import roll_up_audit, summed_up
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import small_lake, write

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
