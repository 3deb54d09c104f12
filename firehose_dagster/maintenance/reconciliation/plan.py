"""Which hours a reconciliation reads, which days are settled behind it, and which offsets a table lacks. Pure."""

from collections.abc import Collection, Iterable, Mapping

from firehose_dagster.contracts.topic import OffsetRange
from firehose_dagster.maintenance.reconciliation.counts import HOURS_PER_DAY, LakeCounts


def still_settled(
    counts: LakeCounts, settled: Mapping[int, str], rejected_before: Mapping[int, int]
) -> Mapping[int, str]:
    """The days that were settled before; none where quarantine lost a record: whose hour it is, its own day of
    rejection does not say."""
    has_shrunk = any(counts.rejected.get(day, 0) < records for day, records in rejected_before.items())
    return {} if has_shrunk else settled


def hours_due(counts: LakeCounts, settled: Mapping[int, str], over_before: int) -> list[int]:
    """The hours that are over and of a day that is not as it was when it was settled, newest first."""
    return sorted(
        (hour for hour in counts.hours if hour < over_before and not _is_settled(counts, settled, hour)), reverse=True
    )


def days_settled(
    counts: LakeCounts, settled: Mapping[int, str], over_before: int, clean_hours: Collection[int]
) -> dict[int, str]:
    """The days that need not be read again until their counts change.

    Those settled before, and those that are over and of which every hour was found clean. `counts` are from before the
    hours were read: what came in between makes the day be read again.
    """
    open_days = {
        hour // HOURS_PER_DAY
        for hour in counts.hours
        if hour not in clean_hours and not _is_settled(counts, settled, hour)
    }
    return {
        day: told
        for day, told in sorted(counts.by_day.items())
        if day not in open_days and (day + 1) * HOURS_PER_DAY <= over_before
    }


def absent_offsets(partition: int, first: int, end: int, held: Iterable[int]) -> list[OffsetRange]:
    """The offsets from `first` up to, without, `end` that are not in `held`, as the fewest ranges, in order."""
    ranges: list[OffsetRange] = []
    expected = first
    for offset in sorted({each for each in held if first <= each < end}):
        if offset > expected:
            ranges.append(OffsetRange(partition, expected, offset))
        expected = offset + 1
    if expected < end:
        ranges.append(OffsetRange(partition, expected, end))
    return ranges


def _is_settled(counts: LakeCounts, settled: Mapping[int, str], hour: int) -> bool:
    day = hour // HOURS_PER_DAY
    return day in settled and settled[day] == counts.by_day.get(day)
