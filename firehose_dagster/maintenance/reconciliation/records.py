"""The topic's records that bronze lacks: which of them are wanted.

One is not, where bronze holds what it says under another offset, or quarantine holds it. Its own offset stays a hole
for good: bronze is append-only, and what is published again has a new one.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice

import msgspec
import pyarrow as pa
from pyiceberg.expressions import BooleanExpression

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.rules import EARLIEST_TRADE_TIME_US, LATEST_TRADE_TIME_US
from firehose_dagster.contracts.topic import TopicRecord
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.lake.duckdb_view import ALWAYS_TRUE, make_view
from firehose_dagster.lake.row_filters import all_of, any_of, at_least, below
from firehose_dagster.maintenance.completeness.store import HOUR_US
from firehose_dagster.maintenance.reconciliation.lake import LoadedLake, current_id

_RECORDS_AT_ONCE = 5_000
_HOURS_NAMED = 48
"""Beyond it the hours between the first and the last are read."""


class Verdict(StrEnum):
    """What is to become of a record that bronze lacks."""

    WANTED = "wanted"
    OPEN = "open"
    """Its hour is not over: left alone."""
    HELD_AGAIN = "held again"
    """Bronze holds what it says under another offset."""
    QUARANTINED = "quarantined"
    """Quarantine holds it, with its reason."""


@dataclass(frozen=True, slots=True)
class JudgedRecord:
    """A record of the topic that bronze lacks."""

    record: TopicRecord
    verdict: Verdict


class _Identity(msgspec.Struct, frozen=True):
    """What of a message names its trade."""

    symbol: str
    agg_id: int
    trade_time: int


def judged_records(lake: LoadedLake, records: Iterable[TopicRecord], over_before: int) -> Iterator[list[JudgedRecord]]:
    """What is to become of each record that bronze lacks, some thousand at a time."""
    waiting = iter(records)
    while chunk := list(islice(waiting, _RECORDS_AT_ONCE)):
        held_again, quarantined = _facts(lake, chunk)
        yield [JudgedRecord(each, _verdict(each, over_before, held_again, quarantined)) for each in chunk]


_Coordinates = tuple[int, int]
_Known = tuple[frozenset[_Coordinates], frozenset[_Coordinates]]


def _facts(lake: LoadedLake, chunk: Sequence[TopicRecord]) -> _Known:
    """Which of the records bronze holds under another offset, and which are in quarantine, by coordinates."""
    with bounded_duckdb("reconciliation") as connection:
        connection.register("record", _as_rows(chunk))
        oldest = from_microseconds(min(each.timestamp_ms for each in chunk) * 1_000).isoformat()
        # Only what came at that time or later can be a repetition, or a rejection, of one of these.
        later = at_least("kafka_timestamp", oldest)
        coordinates = ("kafka_partition", "kafka_offset")
        make_view(connection, "q", lake.quarantine, current_id(lake.quarantine), later, coordinates)
        hours = [_trade_hour(each) for each in chunk]
        named = sorted({hour for hour in hours if hour is not None})
        bronze_id = current_id(lake.bronze)
        trade_columns = ("symbol", "agg_id", "trade_time")
        make_view(
            connection, "b_trades", lake.bronze, bronze_id if named else None, _hours_filter(named), trade_columns
        )
        make_view(connection, "b_texts", lake.bronze, bronze_id if None in hours else None, later, ("raw",))
        again = connection.execute(
            """
            SELECT partition, "offset" FROM record r WHERE EXISTS (
                SELECT 1 FROM b_trades b
                WHERE b.symbol = r.symbol AND b.agg_id = r.agg_id AND b.trade_time // 1000 = r.trade_time // 1000
            ) OR EXISTS (SELECT 1 FROM b_texts b WHERE b.raw = r.text)
            """
        ).fetchall()
        rejected = connection.execute(
            'SELECT partition, "offset" FROM record r SEMI JOIN q '
            'ON q.kafka_partition = r.partition AND q.kafka_offset = r."offset"'
        ).fetchall()
        return frozenset(again), frozenset(rejected)


def _verdict(
    record: TopicRecord, over_before: int, held_again: frozenset[_Coordinates], quarantined: frozenset[_Coordinates]
) -> Verdict:
    where = (record.partition, record.offset)
    hour = _trade_hour(record)
    if where in quarantined:
        return Verdict.QUARANTINED
    if where in held_again:
        return Verdict.HELD_AGAIN
    if (record.timestamp_ms * 1_000 // HOUR_US if hour is None else hour) >= over_before:
        return Verdict.OPEN
    return Verdict.WANTED


def _as_rows(chunk: Sequence[TopicRecord]) -> pa.Table:
    names = [_identity(each) for each in chunk]
    return pa.table(
        {
            "partition": pa.array([each.partition for each in chunk], pa.int32()),
            "offset": pa.array([each.offset for each in chunk], pa.int64()),
            "symbol": pa.array([None if name is None else name.symbol for name in names], pa.string()),
            "agg_id": pa.array([None if name is None else name.agg_id for name in names], pa.int64()),
            "trade_time": pa.array([None if name is None else name.trade_time for name in names], pa.int64()),
            "text": pa.array([(each.value or b"").decode("utf-8", "replace") for each in chunk], pa.string()),
        }
    )


def _trade_hour(record: TopicRecord) -> int | None:
    name = _identity(record)
    return None if name is None else name.trade_time // HOUR_US


_decode = msgspec.json.Decoder(_Identity).decode
_LARGEST = 2**63 - 1


def _identity(record: TopicRecord) -> _Identity | None:
    """What the record names; None where it is no message with a time that a trade can have."""
    try:
        name = _decode(record.value or b"")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    is_possible = EARLIEST_TRADE_TIME_US <= name.trade_time < LATEST_TRADE_TIME_US and abs(name.agg_id) <= _LARGEST
    return name if is_possible else None


def _hours_filter(hours: Sequence[int]) -> BooleanExpression:
    if not hours:
        return ALWAYS_TRUE
    spans = [(hour, hour + 1) for hour in hours] if len(hours) <= _HOURS_NAMED else [(hours[0], hours[-1] + 1)]
    return any_of(
        all_of(
            at_least("event_ts", from_microseconds(start * HOUR_US).isoformat()),
            below("event_ts", from_microseconds(end * HOUR_US).isoformat()),
        )
        for start, end in spans
    )
