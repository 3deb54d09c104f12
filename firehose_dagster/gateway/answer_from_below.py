"""Looks for the answer that proves ids absent: it holds an id below them, and goes on behind them.

An answer that only begins behind them proves nothing: REST answers so, too, where it has dropped its oldest trades.
"""

from collections.abc import Callable

from firehose_dagster.binance.frames import RestTrade
from firehose_dagster.binance.limits import AGG_TRADES_PAGE_LIMIT


def answer_from_below(ask: Callable[[int], list[RestTrade]], first: int) -> list[RestTrade]:
    """An answer that holds the nearest id below `first` and the next one from `first` on, where REST has both.

    Where REST has none below, it is one that begins with the oldest that REST has; where it has none from `first` on,
    one that does not get there, or an empty one. `ask` gives the trades from an id on. It takes one request where the
    id before `first` exists, two where one of the thousand before it does, three where none does; else as many more as
    halving the distance to the nearest takes.
    """
    nothing_from = first
    for start in (max(0, first - 1), max(0, first - AGG_TRADES_PAGE_LIMIT + 1), 0):
        rows = ask(start)
        if not rows or rows[0].agg_id < first:
            break
        nothing_from = start
        if start == 0:
            return rows
    # An id below exists. A full page of such ids ends before `first`: the nearest one lies between.
    while len(rows) >= AGG_TRADES_PAGE_LIMIT and rows[-1].agg_id < first:
        nearest = rows[-1].agg_id
        is_near = nothing_from - nearest < AGG_TRADES_PAGE_LIMIT
        start = nearest if is_near else (nearest + nothing_from) // 2
        found = ask(start)
        if found and found[0].agg_id < first:
            rows = found
        elif is_near:
            return found
        else:
            nothing_from = start
    return rows
