"""The records that bronze is told to have lost: an incident of the audit, which excuses their offsets, nothing else."""

import json

from firehose_dagster.contracts.position import ROWS_LOST
from firehose_dagster.verification.pinned_lake import PinnedLake


def lost_from_bronze(lake: PinnedLake) -> None:
    """Make the table `lost_from_bronze`: partition, first offset and the one after the last, as told."""
    lake.connection.execute(
        'CREATE OR REPLACE TEMP TABLE lost_from_bronze (partition INTEGER, "first" BIGINT, end_offset BIGINT)'
    )
    ranges = [
        each
        for (detail,) in lake.connection.execute("SELECT detail FROM audit WHERE kind = ?", [ROWS_LOST]).fetchall()
        for each in json.loads(json.loads(detail)["bronze_offsets"])
    ]
    if ranges:
        lake.connection.executemany("INSERT INTO lost_from_bronze VALUES (?, ?, ?)", ranges)
