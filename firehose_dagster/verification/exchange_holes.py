"""The ids that the exchange does not have: those that `ops_exchange_holes` names, but for any that silver holds."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

from firehose_dagster.verification.pinned_lake import PinnedLake

IdRanges = tuple[tuple[int, int], ...]
"""First and last, both included; ascending, disjoint, not touching."""


def absent_ids(lake: PinnedLake, holes: str, silver: str) -> Mapping[str, IdRanges]:
    """By symbol, from one view of holes and one of silver."""
    told: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for symbol, first, last in lake.connection.execute(
        f"SELECT symbol, first_agg_id, last_agg_id FROM {holes}"  # noqa: S608 constants
    ).fetchall():
        told[symbol].append((first, last))
    if not told:
        return {}
    held: dict[str, set[int]] = defaultdict(set)
    for symbol, agg_id in lake.connection.execute(
        f"SELECT DISTINCT s.symbol, s.agg_id FROM {silver} s JOIN {holes} h "  # noqa: S608 constants
        "ON s.symbol = h.symbol AND s.agg_id BETWEEN h.first_agg_id AND h.last_agg_id"
    ).fetchall():
        held[symbol].add(agg_id)
    return {symbol: without(merged(ranges), held[symbol]) for symbol, ranges in told.items()}


def merged(ranges: Iterable[tuple[int, int]]) -> IdRanges:
    """The same ids as disjoint ranges."""
    found: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    return tuple(found)


def without(ranges: IdRanges, held: Iterable[int]) -> IdRanges:
    """The ranges without these ids."""
    found = list(ranges)
    for agg_id in held:
        cut: list[tuple[int, int]] = []
        for first, last in found:
            if first <= agg_id <= last:
                cut += [part for part in ((first, agg_id - 1), (agg_id + 1, last)) if part[0] <= part[1]]
            else:
                cut.append((first, last))
        found = cut
    return tuple(found)


def overlap(ranges: IdRanges, first: int, last: int) -> int:
    """How many ids from `first` to `last` are in the ranges."""
    return sum(max(0, min(last, high) - max(first, low) + 1) for low, high in ranges)


def outside(ranges: IdRanges, first: int, last: int) -> IdRanges:
    """The ids from `first` to `last` that are not in the ranges."""
    found: list[tuple[int, int]] = []
    position = first
    for low, high in ranges:
        if low > last or position > last:
            break
        if high < position:
            continue
        if low > position:
            found.append((position, low - 1))
        position = high + 1
    if position <= last:
        found.append((position, last))
    return tuple(found)
