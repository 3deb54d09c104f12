"""What the host keeps beside the tables: audits, progress, and where to start in the topic."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.progress import ProgressFile, read_progress

AUDIT = BatchAudit(
    run_id="query/7",
    kind="micro_batch",
    query_id="query",
    batch_id=7,
    started_at=datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=UTC),
    finished_at=datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC),
    rows_in=10,
    rows_out=7,
    dq_pass=9,
    dq_fail=1,
    dq_fail_by_rule={"price_is_positive": 1},
    duplicates=2,
    conflicts=0,
    late_rows=3,
    gold_minutes=4,
    spikes=1,
    max_lag_ms=None,
    watermark=None,
    offsets_start='{"trades":{"0":0}}',
    offsets_end='{"trades":{"0":10}}',
    bronze_snapshot_id=2**62,
    silver_snapshot_id=None,
    gold_snapshot_id=None,
)


def test_an_audit_reads_back_from_its_stamp() -> None:
    assert BatchAudit.from_json(AUDIT.to_json()) == AUDIT


def test_a_stamp_of_another_version_is_read_without_what_it_lacks_and_what_is_unknown() -> None:
    told = json.loads(AUDIT.to_json())
    del told["late_rows"], told["watermark"]
    of_another_version = json.dumps({**told, "rows_of_tomorrow": 5})
    assert BatchAudit.from_json(of_another_version) == replace(AUDIT, late_rows=0)


def test_progress_counts_since_the_start_and_reads_back(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    assert read_progress(settings) is None
    file = ProgressFile(settings, {0: 5})
    file.add(AUDIT, {0: 15})
    file.add(AUDIT, {0: 25, 1: 1})
    progress = read_progress(settings)
    assert progress == file.progress
    assert progress is not None
    assert (progress.rows_in, progress.silver, progress.quarantine, progress.duplicates) == (20, 14, 2, 4)
    assert (progress.batches, progress.batch_id, progress.offsets) == (2, 7, {0: 25, 1: 1})


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"pid":"x"}'])
def test_a_progress_file_that_cannot_be_read_is_none(tmp_path: Path, content: bytes) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    (settings.state_dir / "streams.json").write_bytes(content)
    assert read_progress(settings) is None
