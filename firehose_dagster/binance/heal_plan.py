"""Missing ids -> pages to ask REST for, and what a page proves about the ids it was asked for. Pure."""

from bisect import bisect_left
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.binance.limits import AGG_TRADES_PAGE_LIMIT


@dataclass(frozen=True, slots=True)
class AbsentIds:
    """Ids that an answer left out, and the id that it gave next."""

    ids: IdRange
    next_id: int


@dataclass(frozen=True, slots=True)
class PageVerdict:
    """Each id that was missing is found, absent, unproven or unknown; all ascending and disjoint."""

    found: tuple[int, ...]
    absent: tuple[AbsentIds, ...]
    """The answer holds an id below them, goes on behind them and leaves them out."""
    unproven: tuple[AbsentIds, ...]
    """The answer begins behind them: they never were, or they are older than all that REST still has."""
    unknown: tuple[IdRange, ...]
    """The page ends before them: REST reads a database that may be behind the stream."""


def take_page(ids: IdRange, *, newest_first: bool) -> tuple[IdRange, IdRange | None]:
    """The page to ask for next, at most 1,000 ids, and what is left of `ids` then."""
    if len(ids) <= AGG_TRADES_PAGE_LIMIT:
        return ids, None
    if newest_first:
        first = ids.last - AGG_TRADES_PAGE_LIMIT + 1
        return IdRange(first, ids.last), IdRange(ids.first, first - 1)
    last = ids.first + AGG_TRADES_PAGE_LIMIT - 1
    return IdRange(ids.first, last), IdRange(last + 1, ids.last)


def judge_page(missing: Sequence[IdRange], returned: Collection[int]) -> PageVerdict:
    """What the ids returned for a `fromId` of at most the first missing id say of the ids that were missing.

    `missing` is ascending and disjoint; `returned` is what one answer held, in any order.
    """
    ids = sorted(set(returned))
    found: list[int] = []
    absent: list[AbsentIds] = []
    unproven: list[AbsentIds] = []
    unknown: list[IdRange] = []
    for part in missing:
        position = part.first
        for agg_id in ids[bisect_left(ids, part.first) :]:
            if agg_id > position:
                left_out = AbsentIds(IdRange(position, min(agg_id - 1, part.last)), agg_id)
                (absent if ids[0] < position else unproven).append(left_out)
            if agg_id <= part.last:
                found.append(agg_id)
            position = agg_id + 1
            if position > part.last:
                break
        if position <= part.last:
            unknown.append(IdRange(position, part.last))
    return PageVerdict(tuple(found), tuple(absent), tuple(unproven), tuple(unknown))
