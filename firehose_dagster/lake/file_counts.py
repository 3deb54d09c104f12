"""The files of every table by partition, as a relation that SQL can ask: `lake_files`."""

from collections.abc import Sequence

import pyarrow as pa
from pyiceberg.table import Table

NAME = "lake_files"
SCHEMA = pa.schema(
    [
        pa.field("table_name", pa.string(), nullable=False),
        pa.field("partition", pa.string(), nullable=False),
        pa.field("files", pa.int64(), nullable=False),
        pa.field("rows", pa.int64(), nullable=False),
        pa.field("bytes", pa.int64(), nullable=False),
    ]
)


def file_counts(tables: Sequence[Table]) -> pa.Table:
    """Data files of the current snapshots, a row a partition that has any; read from manifests, not from data.

    `partition` is what Iceberg's specification calls the partition's path, for example `event_ts_hour=2026-01-01-09`.
    """
    rows: dict[tuple[str, str], list[int]] = {}
    for table in tables:
        snapshot = table.current_snapshot()
        if snapshot is None:
            continue
        specs, schema = table.specs(), table.schema()
        for manifest in snapshot.manifests(table.io):
            for entry in manifest.fetch_manifest_entry(table.io, discard_deleted=True):
                file = entry.data_file
                path = specs[manifest.partition_spec_id].partition_to_path(file.partition, schema)
                counts = rows.setdefault((table.name()[-1], path), [0, 0, 0])
                for number, value in enumerate((1, file.record_count, file.file_size_in_bytes)):
                    counts[number] += value
    columns = list(zip(*((*key, *counts) for key, counts in sorted(rows.items())), strict=True)) or [()] * len(SCHEMA)
    return pa.table(
        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)], schema=SCHEMA
    )
