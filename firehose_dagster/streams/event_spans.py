"""Conditions on the trade time that let Iceberg skip the files of other minutes."""

from collections.abc import Iterable
from functools import reduce
from operator import or_

from pyspark.sql import Column
from pyspark.sql import functions as f

from firehose_dagster.streams.gold_minutes import MICROSECONDS_PER_MINUTE

_MAX_SPANS = 200
"""More conditions than this cost more to plan than they save to read."""


def during(minutes: Iterable[int]) -> Column:
    """Rows whose `event_ts` lies in one of the minutes, counted from the epoch; with very many spans of them, also rows
    in between. Raises TypeError for no minute at all."""
    spans: list[list[int]] = []
    for minute in sorted(set(minutes)):
        if spans and spans[-1][1] == minute:
            spans[-1][1] = minute + 1
        else:
            spans.append([minute, minute + 1])
    if len(spans) > _MAX_SPANS:
        spans = [[spans[0][0], spans[-1][1]]]
    return reduce(or_, (_between(start, end) for start, end in spans))


def _between(start: int, end: int) -> Column:
    event_ts = f.col("event_ts")
    return (event_ts >= f.timestamp_micros(f.lit(start * MICROSECONDS_PER_MINUTE))) & (
        event_ts < f.timestamp_micros(f.lit(end * MICROSECONDS_PER_MINUTE))
    )
