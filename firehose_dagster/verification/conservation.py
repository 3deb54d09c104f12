"""Is every record accounted for: in silver, in quarantine, or counted as an exact duplicate?"""

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import ROWS_LOST
from firehose_dagster.contracts.rules import CONFLICT_RULE
from firehose_dagster.verification.audit_recounts import wrong_effects, wrong_rule_counts
from firehose_dagster.verification.audit_rows import (
    AuditRow,
    audit_rows,
    lost_offsets,
    run_ids_recorded_twice,
)
from firehose_dagster.verification.late_rows import late_rows
from firehose_dagster.verification.pinned_lake import PinnedLake
from firehose_dagster.verification.report import EXAMPLES_SHOWN, Check

_BATCH = "micro_batch"


def rows_are_conserved(lake: PinnedLake) -> Check:
    """Bronze rows = silver rows + quarantine rows + duplicates, where duplicates are the sum the audit tells."""
    bronze = lake.whole_number("SELECT count(*) FROM bronze")
    silver = lake.whole_number("SELECT count(*) FROM silver")
    quarantine = lake.whole_number("SELECT count(*) FROM quarantine")
    duplicates = sum(row.duplicates for row in audit_rows(lake))
    difference = bronze - silver - quarantine - duplicates
    return Check(
        name="rows_are_conserved",
        table="bronze, silver, quarantine",
        figures={"bronze": bronze, "silver": silver, "quarantine": quarantine, "duplicates": duplicates},
        breaches=abs(difference),
        examples=(
            f"bronze {bronze} is not silver {silver} + quarantine {quarantine} + duplicates {duplicates}: "
            f"{abs(difference)} rows {'are lost' if difference > 0 else 'too many'}",
        )
        if difference
        else (),
    )


def audit_adds_up(lake: PinnedLake) -> Check:
    """Each batch: rows in = out + quarantined + duplicates = passed + failed = the offsets it read. All: their sums are
    the tables' rows.

    What they tell by rule, of spikes and of gold is counted again as far as those tables still say it. The batches
    follow each other in each partition without gap or overlap, from bronze's first record to the
    position.
    """
    rows = audit_rows(lake)
    some_lost = any(row.kind != _BATCH for row in rows)
    examples = [
        f"{run_id} is recorded {count} times, a batch has one row"
        for run_id, count in run_ids_recorded_twice(lake).items()
    ]
    for row in rows:
        if row.rows_in != row.rows_out + row.dq_fail + row.duplicates:
            examples.append(
                f"{row.run_id}: rows_in {row.rows_in} is not rows_out {row.rows_out} + dq_fail {row.dq_fail} "
                f"+ duplicates {row.duplicates}"
            )
        if row.kind == _BATCH and row.rows_in != row.dq_pass + row.dq_fail:
            examples.append(f"{row.run_id}: rows_in {row.rows_in} is not dq_pass {row.dq_pass} + dq_fail {row.dq_fail}")
    conflicts = lake.whole_number(f"SELECT count(*) FROM quarantine WHERE list_contains(reasons, '{CONFLICT_RULE}')")  # noqa: S608 a constant
    told_conflicts = sum(row.conflicts for row in rows)
    # What was lost since was rejected again, and counted again.
    if told_conflicts < conflicts or (told_conflicts > conflicts and not some_lost):
        examples.append(
            f"the sum of conflicts is {told_conflicts}, but quarantine holds {conflicts} rows of that reason"
        )
    totals = (
        ("rows_in", sum(row.rows_in for row in rows), "bronze"),
        ("rows_out", sum(row.rows_out for row in rows), "silver"),
        ("dq_fail", sum(row.dq_fail for row in rows), "quarantine"),
    )
    for column, told, table in totals:
        held = lake.whole_number(f"SELECT count(*) FROM {table}")  # noqa: S608 constants
        if told != held:
            examples.append(f"the sum of {column} is {told}, but {table} holds {held} rows")
    examples += _wrong_late_rows(lake, rows, some_lost=some_lost)
    examples += wrong_rule_counts(lake, rows, some_lost=some_lost)
    examples += wrong_effects(lake, rows)
    examples += _offset_breaches(lake, rows)
    return Check(
        name="audit_adds_up",
        table=OPS_AUDIT.name,
        figures={"batches": sum(row.kind != ROWS_LOST for row in rows), **{column: told for column, told, _ in totals}},
        breaches=len(examples),
        examples=tuple(examples[:EXAMPLES_SHOWN]),
    )


def _wrong_late_rows(lake: PinnedLake, rows: tuple[AuditRow, ...], *, some_lost: bool) -> list[str]:
    late = late_rows(lake, rows)
    wrong: list[str] = []
    for row in rows:
        # A sum of batches has no one watermark; an incident has no rows.
        if not row.is_batch or row.is_sum:
            continue
        held = late.get(row.run_id, 0)
        if row.late_rows < held or (row.late_rows > held and not some_lost):
            wrong.append(
                f"{row.run_id}: late_rows is {row.late_rows}, but {held} of its rows in silver are before its watermark"
            )
    return wrong


def _offset_breaches(lake: PinnedLake, rows: tuple[AuditRow, ...]) -> list[str]:
    first_held: dict[int, int] = dict(
        lake.connection.execute("SELECT kafka_partition, min(kafka_offset) FROM bronze GROUP BY 1").fetchall()
    )
    wrong: list[str] = []
    lost = lost_offsets(lake)
    for row in rows:
        # A partition that a batch names only at its end was read from its first record.
        starts = {
            partition: row.starts.get(partition, first_held.get(partition, end)) for partition, end in row.ends.items()
        }
        read = sum(end - starts[partition] for partition, end in row.ends.items())
        if row.kind == _BATCH and read != row.rows_in:
            wrong.append(f"{row.run_id}: its offsets span {read} records, but rows_in is {row.rows_in}")
    for partition, position in sorted((lake.position.offsets if lake.position else {}).items()):
        first = first_held.get(partition)
        spans = sorted(
            (row.starts.get(partition, position if first is None else first), row.ends[partition], row.run_id)
            for row in rows
            if partition in row.ends
        )
        spans = sorted([*spans, *((start, end, "lost") for start, end in lost.get(partition, []))])
        reached = spans[0][0] if spans else first
        if first is not None and reached is not None and reached != first:
            wrong.append(f"partition {partition}: the audit begins at offset {reached}, bronze at {first}")
        for start, end, run_id in spans:
            if start == end:
                continue
            if start != reached:
                what = "leaves out" if start > (reached or 0) else "reads again"
                wrong.append(f"{run_id}: partition {partition} starts at {start}, not at {reached}: it {what} records")
            reached = max(end, reached or 0)
        if reached is not None and reached != position and first is not None:
            wrong.append(f"partition {partition}: the audit ends at offset {reached}, the position is {position}")
    return wrong
