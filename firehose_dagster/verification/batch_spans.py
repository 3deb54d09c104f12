"""Which records each micro-batch read, for the SQL that counts again what became of them."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pyarrow as pa

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.verification.audit_rows import AuditRow
from firehose_dagster.verification.pinned_lake import PinnedLake

_SPANS = pa.schema(
    [
        pa.field("run_id", pa.string()),
        pa.field("kafka_partition", pa.int32()),
        pa.field("first_offset", pa.int64()),
        pa.field("end_offset", pa.int64()),
        pa.field("watermark_us", pa.int64()),
        pa.field("started_us", pa.int64()),
    ]
)


@contextmanager
def batch_spans(lake: PinnedLake, batches: Iterable[AuditRow]) -> Iterator[None]:
    """Within, the view `batch_spans`: a row for each batch and partition, from its first offset to before its end."""
    spans = [
        {
            "run_id": batch.run_id,
            "kafka_partition": partition,
            "first_offset": batch.starts.get(partition, 0),
            "end_offset": end,
            "watermark_us": None if batch.watermark is None else to_microseconds(batch.watermark),
            "started_us": to_microseconds(batch.started_at),
        }
        for batch in batches
        for partition, end in batch.ends.items()
    ]
    lake.connection.register("batch_spans", pa.Table.from_pylist(spans, schema=_SPANS))
    try:
        yield
    finally:
        lake.connection.unregister("batch_spans")
