"""What the stream's host shows of itself: one small file, rewritten after each batch."""

import contextlib
import logging
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit

logger = logging.getLogger(__name__)


class StreamProgress(msgspec.Struct, frozen=True, kw_only=True):
    """Counts since the host started, and the newest batch."""

    pid: int
    started_at: datetime
    updated_at: datetime
    batch_id: int | None = None
    offsets: Mapping[int, int] = {}
    """Offset after the last one that silver holds, by partition."""
    rows_in: int = 0
    silver: int = 0
    quarantine: int = 0
    duplicates: int = 0
    gold_minutes: int = 0
    spikes: int = 0
    batches: int = 0
    lag_ms: int | None = None
    failing: str | None = None
    """Why a layer behind bronze takes no batches at the moment; None where all is well."""
    failing_table: str | None = None
    """Which one."""
    failing_since: datetime | None = None
    """When it failed first, of the failures in a row."""


class ProgressFile:
    """Counts batches and writes the file; atomically, so that a reader never sees half of it."""

    def __init__(self, settings: Settings, offsets: Mapping[int, int]) -> None:
        self._path = progress_path(settings)
        now = datetime.now(UTC)
        self.progress = StreamProgress(pid=os.getpid(), started_at=now, updated_at=now, offsets=dict(offsets))
        self._write()

    def add(self, audit: BatchAudit, offsets: Mapping[int, int]) -> None:
        """Count one more batch."""
        before = self.progress
        self.progress = StreamProgress(
            pid=before.pid,
            started_at=before.started_at,
            updated_at=audit.finished_at,
            batch_id=audit.batch_id,
            offsets=dict(offsets),
            rows_in=before.rows_in + audit.rows_in,
            silver=before.silver + audit.rows_out,
            quarantine=before.quarantine + audit.dq_fail,
            duplicates=before.duplicates + audit.duplicates,
            gold_minutes=before.gold_minutes + audit.gold_minutes,
            spikes=before.spikes + audit.spikes,
            batches=before.batches + 1,
            lag_ms=audit.max_lag_ms,
        )
        self._write()

    def failed(self, table: str, reason: str) -> None:
        """Show that a layer fails; the next batch through all of them takes it back."""
        now = datetime.now(UTC)
        self.progress = msgspec.structs.replace(
            self.progress,
            updated_at=now,
            failing=reason,
            failing_table=table,
            failing_since=self.progress.failing_since or now,
        )
        self._write()

    def _write(self) -> None:
        partial = self._path.with_suffix(".partial")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_bytes(msgspec.json.encode(self.progress))
            partial.replace(self._path)
        except OSError as error:
            # It only shows what the tables know: a full disk must stop the batch, not the word about it.
            logger.warning("progress not shown path=%s error=%s", self._path, error)


def read_progress(settings: Settings) -> StreamProgress | None:
    """What the last host showed; it may be gone since. None where none ever ran on this home."""
    with contextlib.suppress(FileNotFoundError, msgspec.DecodeError, msgspec.ValidationError):
        return msgspec.json.decode(progress_path(settings).read_bytes(), type=StreamProgress)
    return None


def progress_path(settings: Settings) -> Path:
    """Where the progress of this home's stream stands."""
    return settings.state_dir / "streams.json"
