"""What a reconciliation reads of the lake: views of one hour, or of the offsets that the topic still has.

Silver is loaded first: what its stamp says it has taken is in bronze and quarantine, loaded behind it. The tables are
loaded for each hour, so that no snapshot is held for longer than expiry waits.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyiceberg.expressions import BooleanExpression
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.topic import OffsetRange
from firehose_dagster.contracts.trade_tables import BRONZE, QUARANTINE, SILVER
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.lake.duckdb_view import make_view
from firehose_dagster.lake.row_filters import all_of, at_least, below, is_null
from firehose_dagster.lake.snapshots import held_position, held_topic_ids
from firehose_dagster.maintenance.completeness.store import HOUR_US
from firehose_dagster.maintenance.reconciliation.hour import (
    BRONZE_COLUMNS,
    QUARANTINE_COLUMNS,
    SILVER_COLUMNS,
    find_rest,
    judge_rest,
)

_TOLD = pa.schema([("partition", pa.int32()), ("first", pa.int64()), ("end_offset", pa.int64())])


@dataclass(frozen=True, slots=True)
class LoadedLake:
    """The three tables, and what their stamps say."""

    silver: IcebergTable
    bronze: IcebergTable
    quarantine: IcebergTable
    position: Position | None
    """Up to where silver has taken the topic."""
    bronze_position: Position | None
    topic_ids: frozenset[str]
    """The topic that bronze and silver were filled from, as far as they were told."""


def load_lake(catalog: Catalog) -> LoadedLake:
    """The tables as they are now, in the order that keeps what silver has taken in the others."""
    silver = catalog.load_table(SILVER.identifier)
    bronze = catalog.load_table(BRONZE.identifier)
    return LoadedLake(
        silver=silver,
        position=held_position(silver),
        topic_ids=held_topic_ids(bronze, silver),
        bronze=bronze,
        bronze_position=held_position(bronze),
        quarantine=catalog.load_table(QUARANTINE.identifier),
    )


@contextmanager
def judged_hour(
    lake: LoadedLake, hour: int | None, over_before: int, told: Sequence[OffsetRange]
) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the tables of `judge_rest` for one hour, counted from the epoch.

    None: the records without a time that came before the hour `over_before`. What silver has not taken is left out.
    """
    assert lake.position is not None  # noqa: S101 - nothing is due where silver holds nothing
    files = _within(hour)
    span = f"{processed_sql(lake.position)} AND {_span(hour, over_before)}"
    with bounded_duckdb("reconciliation") as connection:
        make_view(connection, "b", lake.bronze, current_id(lake.bronze), files, BRONZE_COLUMNS)
        # A record without a time is in no hour of silver.
        silver_id = None if hour is None else current_id(lake.silver)
        make_view(connection, "s", lake.silver, silver_id, files, SILVER_COLUMNS)
        oldest_us = find_rest(connection, span)
        # Of quarantine only what may speak of the rest: the record itself, or one that came later.
        rejected = at_least("kafka_timestamp", from_microseconds(oldest_us or 0).isoformat())
        quarantine_id = None if oldest_us is None else current_id(lake.quarantine)
        make_view(connection, "q", lake.quarantine, quarantine_id, rejected, QUARANTINE_COLUMNS)
        connection.register("told", pa.Table.from_arrays(_columns(told), schema=_TOLD))
        judge_rest(connection)
        yield connection


def _columns(told: Sequence[OffsetRange]) -> list[pa.Array]:
    columns = list(zip(*told, strict=True)) or [()] * len(_TOLD)
    return [pa.array(column, field.type) for column, field in zip(columns, _TOLD, strict=True)]


def processed_sql(position: Position) -> str:
    """SQL: the record lies below the position."""
    held = (f"(kafka_partition = {partition} AND kafka_offset < {end})" for partition, end in position.offsets.items())
    return f"({' OR '.join(['false', *held])})"


def _span(hour: int | None, over_before: int) -> str:
    if hour is None:
        return f"event_ts IS NULL AND epoch_us(kafka_timestamp) < {over_before * HOUR_US}"
    return f"epoch_us(event_ts) >= {hour * HOUR_US} AND epoch_us(event_ts) < {(hour + 1) * HOUR_US}"


def _within(hour: int | None) -> BooleanExpression:
    if hour is None:
        return is_null("event_ts")
    start, end = (from_microseconds(each * HOUR_US).isoformat() for each in (hour, hour + 1))
    return all_of(at_least("event_ts", start), below("event_ts", end))


def current_id(table: IcebergTable) -> int | None:
    """The table's snapshot as it was loaded; None where it holds nothing."""
    snapshot = table.current_snapshot()
    return None if snapshot is None else snapshot.snapshot_id
