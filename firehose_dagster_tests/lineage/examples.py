"""Figures of a micro-batch, for the tests of lineage."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """The fields that lineage reads."""

    rows_in: int = 0
    rows_out: int = 0
    dq_pass: int = 0
    dq_fail: int = 0
    gold_minutes: int = 0
    spikes: int = 0
    bronze_snapshot_id: int | None = None
    silver_snapshot_id: int | None = None
    gold_snapshot_id: int | None = None


def batch(
    rows_in: int = 0, rows_out: int = 0, dq_pass: int = 0, dq_fail: int = 0, silver_snapshot_id: int | None = None
) -> Figures:
    return Figures(
        rows_in=rows_in, rows_out=rows_out, dq_pass=dq_pass, dq_fail=dq_fail, silver_snapshot_id=silver_snapshot_id
    )
