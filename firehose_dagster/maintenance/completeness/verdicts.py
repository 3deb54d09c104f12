"""What is to be said of an hour as a whole, over all symbols. Pure."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from firehose_dagster.maintenance.completeness.hour import HourRow, Unsealed

HOURS_JUDGED = 24


@dataclass(frozen=True, slots=True)
class HourVerdict:
    """One hour; `lacking` are the symbols that lack ids in it or between it and their next trade."""

    hour: int
    symbols: int
    sealed: int
    present: int
    missing: int
    exchange_holes: int
    unsealed: Mapping[str, int]
    """Symbols by the reason why their hour is not sealed."""
    lacking: Sequence[str]

    @property
    def passed(self) -> bool:
        """No symbol lacks anything."""
        return not self.lacking


def verdicts(rows: Iterable[HourRow], over_before: int) -> list[HourVerdict]:
    """Of the last `HOURS_JUDGED` hours that are over, those of which there are rows. `rows` are the newest."""
    by_hour: dict[int, list[HourRow]] = defaultdict(list)
    for row in rows:
        if over_before - HOURS_JUDGED <= row.hour < over_before:
            by_hour[row.hour].append(row)
    return [_verdict(hour, found) for hour, found in sorted(by_hour.items())]


def _verdict(hour: int, rows: Sequence[HourRow]) -> HourVerdict:
    return HourVerdict(
        hour=hour,
        symbols=len(rows),
        sealed=sum(row.is_sealed for row in rows),
        present=sum(row.present for row in rows),
        missing=sum(row.missing for row in rows),
        exchange_holes=sum(row.exchange_holes for row in rows),
        unsealed=Counter(row.unsealed_reason.value for row in rows if row.unsealed_reason is not None),
        lacking=sorted(row.symbol for row in rows if row.missing or row.unsealed_reason is Unsealed.MISSING_AT_END),
    )
