"""What counts as a recovery after a kill."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import NO_ROWS
from firehose_dagster.streams.progress import ProgressFile
from firehose_dagster_tests.chaos.kill_trials import took_a_batch_since


def test_only_a_batch_that_all_layers_took_is_a_recovery(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    killed_at = datetime.now(UTC)
    shown = ProgressFile(settings, {})
    assert not took_a_batch_since(settings, killed_at), "the start of the next host"
    shown.add(replace(NO_ROWS, finished_at=killed_at - timedelta(seconds=1)), {0: 1})
    assert not took_a_batch_since(settings, killed_at), "the last batch before the kill"
    shown.failed("crypto_gold_minute", "the JVM is gone")
    assert not took_a_batch_since(settings, killed_at), "a failure that the kill led to"
    shown.add(replace(NO_ROWS, finished_at=killed_at + timedelta(seconds=9)), {0: 2})
    assert took_a_batch_since(settings, killed_at)
