"""Data files of one partition read, sorted and written as one, with Arrow: nothing here changes the table."""

import uuid
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.columns import Scalar
from firehose_dagster.contracts.table import Table
from firehose_dagster.maintenance.compaction.fingerprint import dataset

ROWS_PER_ROW_GROUP = 131_072
"""What a reader of one symbol reads too much; small enough to skip most of an hour, large enough to compress."""


def sorted_rows(table: IcebergTable, contract: Table, paths: Sequence[str], threads: int = 1) -> pa.Table:
    """All rows of these files in the contract's order; where it names none, by the time that partitions the table."""
    # In one piece: sorting and taking across the pieces of a thousand files takes twice as long.
    rows = dataset(table, paths).to_table(use_threads=threads > 1).combine_chunks()
    # As Iceberg's sort order has it: an empty value comes first.
    order = [(name, "ascending", "at_start") for name in contract.sort or (contract.partition.column,)]
    return rows.take(pc.sort_indices(rows, sort_keys=order))


def write_sorted(table: IcebergTable, contract: Table, rows: pa.Table) -> str:
    """Write the rows as one new Parquet file in the table's folder; returns its location. No snapshot lists it yet."""
    location = f"{table.location()}/data/compacted-{uuid.uuid4()}.parquet"
    with table.io.new_output(location).create() as stream:
        write_parquet(stream, contract, rows)
    return location


def write_parquet(stream: Any, contract: Table, rows: pa.Table) -> None:
    """Zstandard, dictionaries only for text: of ids, times and prices nearly every value is another."""
    pq.write_table(
        rows,
        stream,
        compression="zstd",
        row_group_size=ROWS_PER_ROW_GROUP,
        use_dictionary=[column.name for column in contract.columns if column.type is Scalar.STRING],
    )
