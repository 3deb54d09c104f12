"""Conditions on the trade time that let Iceberg skip the files of other minutes."""

from collections.abc import Iterable, Sequence
from functools import reduce
from itertools import pairwise
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as f

from firehose_dagster.streams.gold_minutes import MICROSECONDS_PER_MINUTE

_MAX_SPANS = 200
"""More conditions than this cost more to plan than they save to read."""


def during(minutes: Iterable[int]) -> Column:
    """Rows whose `event_ts` lies in one of the minutes, counted from the epoch; with very many spans of them, also rows
    in between. Raises ValueError for no minute at all."""
    return reduce(or_, (_between(span.start, span.stop) for span in minute_spans(minutes, _MAX_SPANS)))


def minute_spans(minutes: Iterable[int], most: int) -> Sequence[range]:
    """At most so many spans that hold all the minutes, and as few others as spans of that number can. Pure.

    Raises ValueError for no minute at all.
    """
    ordered = sorted(set(minutes))
    if not ordered:
        raise ValueError("no minute was given")
    gaps = [after - before for before, after in pairwise(ordered)]
    widest = sorted(range(len(gaps)), key=gaps.__getitem__, reverse=True)[: most - 1]
    starts = [0, *sorted(index + 1 for index in widest if gaps[index] > 1), len(ordered)]
    return [range(ordered[start], ordered[end - 1] + 1) for start, end in pairwise(starts)]


def _between(start: int, end: int) -> Column:
    event_ts = f.col("event_ts")
    return (event_ts >= f.timestamp_micros(f.lit(start * MICROSECONDS_PER_MINUTE))) & (
        event_ts < f.timestamp_micros(f.lit(end * MICROSECONDS_PER_MINUTE))
    )
