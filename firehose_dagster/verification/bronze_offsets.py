"""Does bronze hold every record of the topic once, from the first it read to the position?"""

from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.verification.audit_rows import lost_offsets
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check
from firehose_dagster.verification.rows_lost import lost_from_bronze


def bronze_offsets_are_contiguous(lake: PinnedLake) -> Check:
    """In each partition the offsets run from the first one held to the position, each once, but for lost ones.

    Lost is what an incident in the audit says that the topic lost unread, or that bronze lost.

    Kafka numbers records without a gap where no transactions are used, as here.
    """
    ends = {} if lake.position is None else dict(lake.position.offsets)
    held = {
        partition: (rows, distinct, first, last)
        for partition, rows, distinct, first, last in lake.connection.execute(
            "SELECT kafka_partition, count(*), count(DISTINCT kafka_offset), min(kafka_offset), max(kafka_offset) "
            "FROM bronze GROUP BY 1 ORDER BY 1"
        ).fetchall()
    }
    lost = lost_offsets(lake)
    lost_from_bronze(lake)
    for partition, start, stop in _absent_as_told(lake):
        lost.setdefault(partition, []).append((start, stop))
    breaches = 0
    examples: list[str] = []
    for partition, (rows, distinct, first, last) in held.items():
        end = ends[partition]
        if rows > distinct:
            breaches += rows - distinct
            examples += _doubled(lake, partition)
        told = [(max(start, first), min(stop, end)) for start, stop in lost.get(partition, []) if start < end]
        excused = sum(max(0, stop - start) for start, stop in told)
        if end - first - excused > distinct:
            breaches += end - first - excused - distinct
            examples += _missing(lake, partition, last, end, told)
    # A partition that was read and of which bronze holds nothing: empty up to here, or lost; the audit knows which.
    return Check(
        name="bronze_offsets_are_contiguous",
        table=BRONZE.name,
        figures={
            "rows": sum(rows for rows, *_ in held.values()),
            "partitions": len(held),
            "offsets_lost": sum(stop - start for ranges in lost.values() for start, stop in ranges),
            "rows_ahead_of_silver": lake.whole_number("SELECT count(*) FROM bronze_all")
            - sum(rows for rows, *_ in held.values()),
        },
        breaches=breaches,
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def _absent_as_told(lake: PinnedLake) -> list[tuple[int, int, int]]:
    """Of what bronze is told to have lost, the ranges that it does not hold at all: others excuse nothing."""
    found: list[tuple[int, int, int]] = lake.connection.execute(
        """
        SELECT DISTINCT partition, "first", end_offset FROM lost_from_bronze t WHERE NOT EXISTS (
            SELECT 1 FROM bronze b
            WHERE b.kafka_partition = t.partition AND b.kafka_offset >= t."first" AND b.kafka_offset < t.end_offset
        ) ORDER BY 1, 2
        """
    ).fetchall()
    return found


def _doubled(lake: PinnedLake, partition: int) -> list[str]:
    found = lake.connection.execute(
        "SELECT kafka_offset, count(*) FROM bronze WHERE kafka_partition = ? GROUP BY 1 HAVING count(*) > 1 "
        "ORDER BY 1 LIMIT ?",
        [partition, EXAMPLES_SHOWN],
    ).fetchall()
    return [f"partition {partition} offset {offset} is there {rows} times" for offset, rows in found]


def _missing(lake: PinnedLake, partition: int, last: int, end: int, told: list[tuple[int, int]]) -> list[str]:
    found: list[tuple[int, int]] = lake.connection.execute(
        """
        SELECT kafka_offset + 1, next_offset - 1 FROM (
            SELECT kafka_offset, lead(kafka_offset) OVER (ORDER BY kafka_offset) AS next_offset
            FROM bronze WHERE kafka_partition = ?
        ) WHERE next_offset > kafka_offset + 1 ORDER BY 1 LIMIT ?
        """,
        [partition, EXAMPLES_SHOWN],
    ).fetchall()
    if last + 1 < end:
        found.append((last + 1, end - 1))
    return [
        f"partition {partition} lacks the offsets {first} to {last}"
        for first, last in found
        if (first, last + 1) not in told
    ]
