"""What the audit takes back as lost excuses the loss that it names, and nothing else."""

import json
from pathlib import Path

import pytest

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import ROWS_LOST
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import START, Row, SmallLake, append, small_lake, write


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def _told(bronze: Row | None = None, **counts: int) -> Row:
    offset = 0 if bronze is None else bronze["kafka_offset"]
    ranges = [] if bronze is None else [[bronze["kafka_partition"], offset, offset + 1]]
    row = {"rows_in": 0, "rows_out": 0, "dq_pass": 0, "dq_fail": 0, "duplicates": 0, "conflicts": 0, "late_rows": 0}
    return (
        row
        | counts
        | {
            "run_id": "a run/1",
            "kind": ROWS_LOST,
            "started_at": START,
            "finished_at": START,
            "dq_fail_by_rule": {},
            "gold_minutes": 0,
            "spikes": 0,
            "detail": json.dumps({"offsets": "[]", "bronze_offsets": json.dumps(ranges)}),
        }
    )


def _breaches(settings: Settings, lake: SmallLake, told: Row) -> set[str]:
    write(settings, lake)
    append(settings, OPS_AUDIT, [told], {})
    return {check.name for check in verify(settings).checks if not check.ok}


def test_a_loss_that_did_not_happen_is_a_breach(settings: Settings) -> None:
    breaches = _breaches(settings, small_lake(), _told(rows_out=-1, duplicates=1))
    assert breaches == {"audit_adds_up", "rows_are_conserved"}


def test_a_loss_of_bronze_that_is_told_does_not_excuse_another_one(settings: Settings) -> None:
    lake = small_lake()
    told, lost = lake.bronze[6], lake.bronze.pop(5)
    assert told["kafka_partition"] == lost["kafka_partition"]
    breaches = _breaches(settings, lake, _told(told, rows_in=-1, duplicates=-1))
    assert {"bronze_offsets_are_contiguous", "silver_equals_bronze"} <= breaches


def test_a_row_of_silver_whose_record_bronze_lost_must_be_told_by_another_record(settings: Settings) -> None:
    lake = small_lake()
    breaches = _breaches(settings, lake, _told(lake.bronze.pop(5), rows_in=-1, duplicates=-1))
    assert breaches == {"silver_equals_bronze"}
