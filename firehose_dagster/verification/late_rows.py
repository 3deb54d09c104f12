"""How many rows of each micro-batch were late, counted again from silver and the watermark that the batch went by."""

from collections.abc import Iterable, Mapping

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
    ]
)


def late_rows(lake: PinnedLake, batches: Iterable[AuditRow]) -> Mapping[str, int]:
    """By run id: silver's rows of the batch, by their coordinates, that are older than its watermark; 0 is left out.

    A batch before which there was no watermark has no late rows.
    """
    spans = [
        {
            "run_id": batch.run_id,
            "kafka_partition": partition,
            "first_offset": batch.starts.get(partition, 0),
            "end_offset": end,
            "watermark_us": to_microseconds(batch.watermark),
        }
        for batch in batches
        if batch.watermark is not None
        for partition, end in batch.ends.items()
    ]
    lake.connection.register("audit_spans", pa.Table.from_pylist(spans, schema=_SPANS))
    counted = lake.connection.execute(
        """
        SELECT span.run_id, count(*)
        FROM silver s ASOF JOIN audit_spans span
            ON s.kafka_partition = span.kafka_partition AND s.kafka_offset >= span.first_offset
        WHERE s.kafka_offset < span.end_offset AND epoch_us(s.event_ts) < span.watermark_us
        GROUP BY 1
        """
    ).fetchall()
    lake.connection.unregister("audit_spans")
    return dict(counted)
