"""What the host keeps beside the tables: audits, progress, and where to start in the topic."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from firehose_dagster.contracts.position import Position
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.progress import ProgressFile, read_progress
from firehose_dagster.streams.topic_offsets import TopicOffsets, TopicUnusableError, starting_offsets

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


TOPIC = TopicOffsets(begins={0: 3, 1: 0}, ends={0: 20, 1: 5})


def test_the_query_starts_behind_what_silver_holds_and_at_the_beginning_of_what_it_never_read() -> None:
    assert json.loads(starting_offsets(Position("trades", {0: 20}), TOPIC)) == {"trades": {"0": 20, "1": -2}}


def test_a_topic_shorter_than_what_the_lake_holds_is_refused() -> None:
    with pytest.raises(TopicUnusableError, match=r"holds trades partition 0 up to offset 21, but the topic ends at 20"):
        starting_offsets(Position("trades", {0: 21}), TOPIC)


def test_a_topic_that_lacks_a_partition_the_lake_holds_is_refused() -> None:
    with pytest.raises(TopicUnusableError, match=r"partition 2 up to offset 1, but the topic ends at None"):
        starting_offsets(Position("trades", {2: 1}), TOPIC)


def test_records_that_retention_removed_unread_are_told_by_their_number() -> None:
    with pytest.raises(TopicUnusableError, match=r"begins at 3: retention removed 2 records unread"):
        starting_offsets(Position("trades", {0: 1}), TOPIC)
