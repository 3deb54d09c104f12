"""Which files to merge, and why. Pure: from the files that the metadata lists to groups of one new file each.

Only partitions that the stream has left are touched: an hour rewritten while it grows is rewritten again and again.
Three rules keep the work flat, whatever comes later:

- a sorted file that is nearly full is never read again;
- a sorted file that holds most of its partition is left alone until the rest has grown: a late row must not cost an
  hour's rewriting;
- fewer than `min_files` others are not worth a commit.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from firehose_dagster.contracts.table import Table
from firehose_dagster.maintenance.compaction.live_files import LakeFile

EVERY_PARTITION = 1 << 40
NO_PARTITION = -EVERY_PARTITION
_MICROSECONDS_PER_HOUR = 3_600_000_000
_NEARLY_FULL = 0.75
_LEFT_ALONE_RATIO = 8


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The settings in force."""

    min_files: int
    """Fewer files than this in a partition are left as they are."""
    max_rows: int
    """Most rows of a new file, and so of what is sorted in memory at once."""


@dataclass(frozen=True, slots=True)
class Group:
    """Files of one partition that become one file."""

    partition: int | None
    files: tuple[LakeFile, ...]

    @property
    def rows(self) -> int:
        """Before and after."""
        return sum(file.rows for file in self.files)

    @property
    def size_bytes(self) -> int:
        """Of the files to replace."""
        return sum(file.size_bytes for file in self.files)

    @property
    def reason(self) -> str:
        """Why it is worth the work, with the gain that is expected."""
        unsorted = sum(not file.is_sorted for file in self.files)
        mean_bytes = self.size_bytes // len(self.files)
        return f"{len(self.files)} files of {mean_bytes:,} bytes on average, {unsorted} of them unsorted, become 1"


@dataclass(frozen=True, slots=True)
class CompactionPlan:
    """The groups, those that remove most files first, and why the rest of the table stays as it is."""

    groups: tuple[Group, ...]
    open_partitions: int
    """Not looked at: the stream may still write there."""
    compact_partitions: int
    """Nothing to gain."""


def open_from(table: Table, watermark_us: int | None, margin: timedelta) -> int:
    """The first partition of the table that may still change: all before it are closed.

    An hour is closed once it ended before the watermark minus `margin`. Tables partitioned by day are only appended to,
    and slowly: their rows never move, so no day needs to be waited for.
    """
    if table.partition.granularity == "day":
        return EVERY_PARTITION
    if watermark_us is None:
        return NO_PARTITION
    return (watermark_us - margin // timedelta(microseconds=1)) // _MICROSECONDS_PER_HOUR


def plan(files: Iterable[LakeFile], first_open: int, thresholds: Thresholds) -> CompactionPlan:
    """Groups of the closed partitions. Rows without a time have a partition that never closes: it counts as closed."""
    by_partition: dict[int | None, list[LakeFile]] = defaultdict(list)
    for file in files:
        by_partition[file.partition].append(file)
    groups: list[Group] = []
    still_open = compact = 0
    for partition, held in by_partition.items():
        if partition is not None and partition >= first_open:
            still_open += 1
            continue
        found = _groups(partition, held, thresholds)
        groups += found
        compact += not found
    return CompactionPlan(
        groups=tuple(sorted(groups, key=lambda group: (-len(group.files), group.partition or 0))),
        open_partitions=still_open,
        compact_partitions=compact,
    )


def partition_start(table: Table, partition: int | None) -> str:
    """The partition as people write it: `2026-01-05T09:00Z`."""
    if partition is None:
        return "without a time"
    seconds = partition * (3_600 if table.partition.granularity == "hour" else 86_400)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M}Z"


def _groups(partition: int | None, files: list[LakeFile], thresholds: Thresholds) -> list[Group]:
    loose = _without_large(
        [file for file in files if not (file.is_sorted and file.rows >= _NEARLY_FULL * thresholds.max_rows)]
    )
    if len(loose) < thresholds.min_files:
        return []
    return [
        Group(partition, tuple(chunk))
        for chunk in _chunks(sorted(loose, key=lambda file: (file.sequence, file.path)), thresholds.max_rows)
        if len(chunk) > 1 or not chunk[0].is_sorted
    ]


def _without_large(files: list[LakeFile]) -> list[LakeFile]:
    """Without the sorted files that outweigh all smaller ones together."""
    by_size = sorted(files, key=lambda file: file.rows, reverse=True)
    rest = sum(file.rows for file in by_size)
    for number, file in enumerate(by_size):
        rest -= file.rows
        if not file.is_sorted or file.rows < _LEFT_ALONE_RATIO * rest:
            return by_size[number:]
    return []


def _chunks(files: list[LakeFile], max_rows: int) -> list[list[LakeFile]]:
    chunks: list[list[LakeFile]] = []
    rows = 0
    for file in files:
        if not chunks or rows + file.rows > max_rows:
            chunks.append([])
            rows = 0
        chunks[-1].append(file)
        rows += file.rows
    return chunks
