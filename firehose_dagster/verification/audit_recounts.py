"""What a micro-batch tells of the tables behind silver, counted again from their rows as far as they still say it."""

from collections import defaultdict
from collections.abc import Iterable, Mapping

import pyarrow as pa

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.verification.audit_rows import AuditRow
from firehose_dagster.verification.batch_spans import batch_spans
from firehose_dagster.verification.pinned_lake import PinnedLake

_BATCHES = pa.schema([("silver_snapshot_id", pa.int64()), ("finished_us", pa.int64())])


def wrong_rule_counts(lake: PinnedLake, rows: Iterable[AuditRow], *, some_lost: bool) -> list[str]:
    """`dq_fail_by_rule` of each batch against the reasons of quarantine's rows of its records.

    Passed over is a batch of whose rows some were rejected before it began: a crash or a rebuild had it judge again
    what quarantine held, maybe by the rules of later code.
    """
    batches = [row for row in rows if row.is_batch]
    held: dict[str, dict[str, int]] = defaultdict(dict)
    judged_before: set[str] = set()
    with batch_spans(lake, batches):
        for run_id, reason, count, is_older in lake.connection.execute(
            """
            SELECT span.run_id, q.reason, count(*), bool_or(epoch_us(q.rejected_at) < span.started_us)
            FROM (SELECT kafka_partition, kafka_offset, rejected_at, unnest(reasons) AS reason FROM quarantine) q
            ASOF JOIN batch_spans span
                ON q.kafka_partition = span.kafka_partition AND q.kafka_offset >= span.first_offset
            WHERE q.kafka_offset < span.end_offset
            GROUP BY 1, 2
            """
        ).fetchall():
            held[run_id][reason] = count
            if is_older:
                judged_before.add(run_id)
    wrong: list[str] = []
    for row in batches:
        if row.run_id in judged_before:
            continue
        for rule in sorted({*row.dq_fail_by_rule, *held[row.run_id]}):
            told, counted = row.dq_fail_by_rule.get(rule, 0), held[row.run_id].get(rule, 0)
            # What was lost since was rejected again, and counted again.
            if told < counted or (told > counted and not some_lost):
                wrong.append(
                    f"{row.run_id}: dq_fail_by_rule tells of {told} for {rule}, but quarantine holds {counted} of its "
                    "records for that reason"
                )
    return wrong


def wrong_effects(lake: PinnedLake, rows: Iterable[AuditRow]) -> list[str]:
    """`spikes` and `gold_minutes` of each batch against the events and gold rows that name its snapshot of silver.

    A gold row names the last batch that changed it alone, so that a batch may have changed more rows than name it. What
    a later run made of the same snapshot (gold rebuilt after other thresholds were set) was written after its end.
    """
    batches = [row for row in rows if row.is_batch and not row.is_sum and row.silver_snapshot_id is not None]
    ends = [
        {"silver_snapshot_id": row.silver_snapshot_id, "finished_us": to_microseconds(row.finished_at)}
        for row in batches
    ]
    lake.connection.register("batch_ends", pa.Table.from_pylist(ends, schema=_BATCHES))
    events = _counted(lake, "spikes", "detected_at")
    minutes = _counted(lake, "gold", "updated_at")
    lake.connection.unregister("batch_ends")
    wrong: list[str] = []
    for row in batches:
        assert row.silver_snapshot_id is not None  # noqa: S101 - chosen above
        in_time, in_all = events.get(row.silver_snapshot_id, (0, 0))
        if not in_time <= row.spikes <= in_all:
            wrong.append(f"{row.run_id}: spikes is {row.spikes}, but {in_all} events name its snapshot of silver")
        changed, _ = minutes.get(row.silver_snapshot_id, (0, 0))
        if row.gold_minutes < changed:
            wrong.append(f"{row.run_id}: gold_minutes is {row.gold_minutes}, but {changed} rows name it as the last")
    return wrong


def _counted(lake: PinnedLake, view: str, written_at: str) -> Mapping[int, tuple[int, int]]:
    """By snapshot of silver: rows that name it and were written before its batch ended, and all that name it."""
    counted = lake.connection.execute(
        f"""
        SELECT silver_snapshot_id, count(*) FILTER (epoch_us({written_at}) <= finished_us), count(*)
        FROM {view} JOIN batch_ends USING (silver_snapshot_id) GROUP BY 1
        """  # noqa: S608 constants
    ).fetchall()
    return {snapshot_id: (in_time, in_all) for snapshot_id, in_time, in_all in counted}
