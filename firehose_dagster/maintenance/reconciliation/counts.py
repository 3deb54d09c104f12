"""How many records each table holds of each day, told by metadata: what has not changed need not be read again."""

from collections import Counter, defaultdict
from dataclasses import dataclass

from pyiceberg.manifest import DataFileContent
from pyiceberg.table import Table as IcebergTable

HOURS_PER_DAY = 24


@dataclass(frozen=True, slots=True)
class LakeCounts:
    """One state of bronze, silver and quarantine. Hours and days count from the epoch."""

    hours: frozenset[int]
    """Hours of which bronze has a file."""
    by_day: dict[int, str]
    """What changes whenever bronze or silver gets or loses a record of the day; compaction leaves it as it is."""
    rejected: dict[int, int]
    """Records in quarantine by the day on which they were rejected, which need not be the day that they are of."""
    bronze_rows: int


def lake_counts(bronze: IcebergTable, silver: IcebergTable, quarantine: IcebergTable) -> LakeCounts:
    """Count by the manifests of the tables as they were loaded; no data is read."""
    bronze_hours = _records_by_partition(bronze)
    silver_hours = _records_by_partition(silver)
    told: dict[int, list[str]] = defaultdict(list)
    for name, by_day in (
        ("b", _of_days(bronze_hours)),
        ("s", _of_days(silver_hours)),
    ):
        for day, (rows, deletes) in by_day.items():
            told[day].append(f"{name}{rows}" + (f"-{deletes}" if deletes else ""))
    return LakeCounts(
        hours=frozenset(hour for hour in bronze_hours if hour is not None),
        by_day={day: "".join(texts) for day, texts in told.items()},
        rejected={
            day: rows - deletes for day, (rows, deletes) in _records_by_partition(quarantine).items() if day is not None
        },
        bronze_rows=sum(rows - deletes for rows, deletes in bronze_hours.values()),
    )


def _records_by_partition(table: IcebergTable) -> dict[int | None, tuple[int, int]]:
    """Rows in data files and rows in delete files, by the table's one partition field."""
    snapshot = table.current_snapshot()
    if snapshot is None:
        return {}
    rows: Counter[int | None] = Counter()
    deletes: Counter[int | None] = Counter()
    for manifest in snapshot.manifests(table.io):
        for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
            file = entry.data_file
            (rows if file.content is DataFileContent.DATA else deletes)[file.partition[0]] += file.record_count
    return {partition: (rows[partition], deletes[partition]) for partition in {*rows, *deletes}}


def _of_days(by_hour: dict[int | None, tuple[int, int]]) -> dict[int, tuple[int, int]]:
    days: dict[int, tuple[int, int]] = {}
    for hour, (rows, deletes) in by_hour.items():
        if hour is not None:
            held_rows, held_deletes = days.get(hour // HOURS_PER_DAY, (0, 0))
            days[hour // HOURS_PER_DAY] = (held_rows + rows, held_deletes + deletes)
    return days
