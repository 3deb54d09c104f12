"""One symbol in one hour: which ids are expected, which are there, and whether the hour can be sealed. Pure.

An id that silver holds proves that all ids before it exist. So the ids between it and the one held before it are
expected too, in the hour of the later one: an hour runs from the id after the last one held before it to its own last.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

from firehose_dagster.binance.gaps import IdRange

RANGES_TOLD = 20
"""Missing ranges that a row lists; their ids are all counted."""


class Unsealed(StrEnum):
    """Why an hour is not sealed: the first of these that holds."""

    START_UNKNOWN = "start_unknown"
    """It is the symbol's first: no id held before it says where it begins."""
    OPEN = "open"
    """The watermark has not passed its end and the margin."""
    MISSING = "missing"
    """Ids are missing in it."""
    MISSING_AT_END = "missing_at_end"
    """Ids are missing between its last trade and the symbol's next: some of them may be of this hour."""
    END_UNKNOWN = "end_unknown"
    """The symbol has not traded since: only its next id will prove that nothing is missing."""


class Absent(Protocol):
    """The ids that the exchange does not have."""

    def present(self, symbol: str, ids: IdRange) -> list[IdRange]:
        """What of `ids` it may have, ascending."""


@dataclass(frozen=True, slots=True)
class HeldHour:
    """What silver holds of one symbol in one hour; `hour` counts from the epoch."""

    symbol: str
    hour: int
    first_agg_id: int
    last_agg_id: int
    present: int
    """Distinct ids."""
    gaps: tuple[IdRange, ...]
    """The ids not held that lie directly before an id of this hour, ascending."""
    is_start_known: bool = True
    """An id below the first is held, so the first gap is told."""


@dataclass(frozen=True, slots=True)
class HourRow:
    """What a look at one hour found: the columns of `ops_completeness` but where and when it looked."""

    symbol: str
    hour: int
    first_agg_id: int | None
    last_agg_id: int | None
    expected: int
    present: int
    exchange_holes: int
    missing: int
    missing_ranges: tuple[IdRange, ...]
    """The first of them."""
    unsealed_reason: Unsealed | None
    """None: sealed."""
    seal_version: int
    """0 until sealed; counts up each time it is sealed with other content than before, or again."""

    @property
    def is_sealed(self) -> bool:
        """Over, and proven complete on both sides."""
        return self.unsealed_reason is None

    @property
    def lacks_ids_before_its_first(self) -> bool:
        """Ids are missing between the symbol's last trade before and the first of this hour."""
        return bool(
            self.missing_ranges and self.first_agg_id is not None and self.missing_ranges[0].first < self.first_agg_id
        )

    @property
    def _content(self) -> tuple[object, ...]:
        return (
            self.first_agg_id,
            self.last_agg_id,
            self.expected,
            self.present,
            self.exchange_holes,
            self.missing,
            self.missing_ranges,
        )

    def says_the_same_as(self, other: "HourRow | None") -> bool:
        """All but the version is equal."""
        return other is not None and self._content == other._content and self.unsealed_reason == other.unsealed_reason


def hour_row(held: HeldHour, absent: Absent) -> HourRow:
    """The figures of an hour with trades; whether it can be sealed is for `sealed` to say."""
    gap_ids = sum(len(gap) for gap in held.gaps)
    ranges = [ids for gap in held.gaps for ids in absent.present(held.symbol, gap)]
    missing = sum(len(ids) for ids in ranges)
    return HourRow(
        symbol=held.symbol,
        hour=held.hour,
        first_agg_id=held.first_agg_id,
        last_agg_id=held.last_agg_id,
        expected=held.present + gap_ids,
        present=held.present,
        exchange_holes=gap_ids - missing,
        missing=missing,
        missing_ranges=tuple(ranges[:RANGES_TOLD]),
        unsealed_reason=None if held.is_start_known else Unsealed.START_UNKNOWN,
        seal_version=0,
    )


def quiet_hour(symbol: str, hour: int) -> HourRow:
    """An hour in which nothing is held, between two in which there is."""
    return HourRow(symbol, hour, None, None, 0, 0, 0, 0, (), None, 0)


def sealed(row: HourRow, before: HourRow | None, *, is_over: bool, following: HourRow | None) -> HourRow:
    """The row with its verdict and version.

    `before` is the newest row of the same hour, `following` that of the symbol's next hour with trades. The reason in
    `row` counts only where it says that the start is unknown.
    """
    reason: Unsealed | None = None
    if row.unsealed_reason is Unsealed.START_UNKNOWN:
        reason = Unsealed.START_UNKNOWN
    elif not is_over:
        reason = Unsealed.OPEN
    elif row.missing:
        reason = Unsealed.MISSING
    elif following is None:
        reason = Unsealed.END_UNKNOWN
    elif following.lacks_ids_before_its_first:
        reason = Unsealed.MISSING_AT_END
    version = 0 if before is None else before.seal_version
    judged = replace(row, unsealed_reason=reason, seal_version=version)
    if reason is None and not judged.says_the_same_as(before):
        return replace(judged, seal_version=version + 1)
    return judged


def ranges_to_json(ranges: Sequence[IdRange]) -> str:
    """`[[first, last], ...]`, both included."""
    return json.dumps([[ids.first, ids.last] for ids in ranges], separators=(",", ":"))


def ranges_from_json(text: str) -> tuple[IdRange, ...]:
    """The inverse of `ranges_to_json`."""
    return tuple(IdRange(first, last) for first, last in json.loads(text))
