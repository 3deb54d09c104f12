"""How many rows of each micro-batch were late, counted again from silver and the watermark that the batch went by."""

from collections.abc import Iterable, Mapping

from firehose_dagster.verification.audit_rows import AuditRow
from firehose_dagster.verification.batch_spans import batch_spans
from firehose_dagster.verification.pinned_lake import PinnedLake


def late_rows(lake: PinnedLake, batches: Iterable[AuditRow]) -> Mapping[str, int]:
    """By run id: silver's rows of the batch, by their coordinates, that are older than its watermark; 0 is left out.

    A batch before which there was no watermark has no late rows.
    """
    with batch_spans(lake, (batch for batch in batches if batch.watermark is not None)):
        counted = lake.connection.execute(
            """
            SELECT span.run_id, count(*)
            FROM silver s ASOF JOIN batch_spans span
                ON s.kafka_partition = span.kafka_partition AND s.kafka_offset >= span.first_offset
            WHERE s.kafka_offset < span.end_offset AND epoch_us(s.event_ts) < span.watermark_us
            GROUP BY 1
            """
        ).fetchall()
    return dict(counted)
