"""A day of silver as triggers of two seconds leave it, written in minutes by time compression.

Every trigger's file is there, with the rows of its two seconds and the statistics that a stream's file has. What is
compressed is the commits: one takes in the files of many triggers, so the history is shorter than a stream's would be.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from pyiceberg.io.pyarrow import parquet_file_to_data_file, schema_to_pyarrow
from pyiceberg.manifest import DataFile
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.contracts.position import WATERMARK
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.iceberg_schema import schema
from firehose_dagster.settings import Settings

DAY = datetime(2026, 1, 5, tzinfo=UTC)
_HOUR_US = 3_600_000_000
_TRADES = """
with drawn as (
    select i, (power(random(), 3) * $symbols)::int as number, random() as r, random() as q from range($rows) as t(i))
select 'S' || lpad(number::varchar, 4, '0') || 'USDT' as symbol,
    $first_id + i as agg_id,
    (100 + number + round(r, 4))::decimal(18, 8) as price, round(q * 10, 5)::decimal(19, 8) as qty,
    ($first_id + i) * 2 as first_trade_id, ($first_id + i) * 2 + 1 as last_trade_id, r > 0.5 as is_buyer_maker,
    make_timestamptz($start_us + i * $step_us) as event_ts, make_timestamptz($start_us) as dt_hour, 'ws' as source,
    make_timestamptz($start_us + i * $step_us + 40000 + (q * 20000)::int) as received_at,
    (number % 4)::int as kafka_partition, $first_id + i as kafka_offset
from drawn order by i"""


def write(settings: Settings, *, hours: int, triggers_an_hour: int, rate: int, symbols: int, commits: int) -> None:
    """Write the hours, each cut into its triggers' files, in so many commits; the watermark stands after them all."""
    catalog = open_catalog(settings)
    create_tables(catalog)
    table = catalog.load_table(SILVER.identifier)
    files_a_commit = max(1, hours * triggers_an_hour // commits)
    stamps = {WATERMARK: str(to_microseconds(DAY + timedelta(hours=hours + 1)))}
    pending: list[DataFile] = []
    for hour in range(hours):
        rows = _hour(hour, rate, symbols)
        for number, piece in enumerate(_pieces(rows, triggers_an_hour)):
            path = f"{table.location()}/data/{hour:02d}-{number:05d}.parquet"
            with table.io.new_output(path).create() as stream:
                pq.write_table(piece, stream, compression="zstd")
            pending.append(parquet_file_to_data_file(table.io, table.metadata, path))
            if len(pending) == files_a_commit:
                _commit(table, pending, stamps)
                pending = []
    if pending:
        _commit(table, pending, stamps)


def _commit(table: IcebergTable, files: list[DataFile], stamps: dict[str, str]) -> None:
    with (
        table.transaction() as transaction,
        transaction.update_snapshot(snapshot_properties=stamps).merge_append() as append,
    ):
        for file in files:
            append.append_data_file(file)


def _hour(hour: int, rate: int, symbols: int) -> pa.Table:
    rows = rate * 3_600
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found = connection.sql(
            _TRADES,
            params={
                "symbols": symbols,
                "rows": rows,
                "first_id": hour * rows,
                "start_us": to_microseconds(DAY) + hour * _HOUR_US,
                "step_us": _HOUR_US // rows,
            },
        ).to_arrow_table()
    return found.cast(schema_to_pyarrow(schema(SILVER)))


def _pieces(rows: pa.Table, count: int) -> Iterator[pa.Table]:
    for number in range(count):
        first, end = rows.num_rows * number // count, rows.num_rows * (number + 1) // count
        yield rows.slice(first, end - first)
