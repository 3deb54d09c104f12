"""Which offsets of the topic bronze lacks. They are counted in blocks; only one that does not add up is looked into."""

from collections.abc import Sequence

import duckdb

from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.retirement import RETIRED_HOURS, from_text
from firehose_dagster.contracts.topic import OffsetRange, TopicBounds
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.lake.duckdb_view import make_view
from firehose_dagster.lake.row_filters import at_least
from firehose_dagster.maintenance.completeness.store import HOUR_US
from firehose_dagster.maintenance.reconciliation.lake import LoadedLake, current_id
from firehose_dagster.maintenance.reconciliation.plan import absent_offsets

BLOCK_OFFSETS = 65_536
MOST_HOLES = 100_000
"""Ranges of absent offsets that one run looks into."""


def offsets_to_compare(bounds: TopicBounds, position: Position) -> list[OffsetRange]:
    """By partition, what the topic still has of the records below a table's position."""
    compared = (
        OffsetRange(partition, bounds.begins.get(partition, 0), min(held, bounds.ends.get(partition, 0)))
        for partition, held in sorted(position.offsets.items())
    )
    return [each for each in compared if each.first < each.end]


def find_holes(lake: LoadedLake, compared: Sequence[OffsetRange]) -> list[OffsetRange]:
    """The offsets of these that bronze does not hold: the first `MOST_HOLES` ranges, or a few more.

    What left bronze by age is in silver: it counts as held.
    """
    if not compared:
        return []
    with bounded_duckdb("reconciliation") as connection:
        oldest = min(each.first for each in compared)
        files = at_least("kafka_offset", oldest)
        columns = ("kafka_partition", "kafka_offset", "dt_hour")
        make_view(connection, "bronze_part", lake.bronze, current_id(lake.bronze), files, columns)
        retired = from_text(lake.bronze.properties.get(RETIRED_HOURS))
        silver_id = current_id(lake.silver) if retired else None
        make_view(connection, "silver_part", lake.silver, silver_id, files, columns)
        hours = " OR ".join(f"epoch_us(dt_hour) // {HOUR_US} BETWEEN {first} AND {last}" for first, last in retired)
        connection.execute(
            f"""
            CREATE VIEW held AS
            SELECT kafka_partition, kafka_offset FROM bronze_part
            UNION ALL
            SELECT kafka_partition, kafka_offset FROM silver_part WHERE {hours or "false"}
            """  # noqa: S608 numbers only
        )
        holes: list[OffsetRange] = []
        for each in _unlike(connection, compared):
            if len(holes) >= MOST_HOLES:
                break
            rows = connection.execute(
                "SELECT DISTINCT kafka_offset FROM held WHERE kafka_partition = ? AND kafka_offset >= ? "
                "AND kafka_offset < ?",
                list(each),
            ).fetchall()
            holes += absent_offsets(*each, (offset for (offset,) in rows))
    return holes


def _unlike(connection: duckdb.DuckDBPyConnection, compared: Sequence[OffsetRange]) -> list[OffsetRange]:
    """The blocks whose offsets do not add up, in count and sum."""
    within = " OR ".join(
        f"(kafka_partition = {each.partition} AND kafka_offset >= {each.first} AND kafka_offset < {each.end})"
        for each in compared
    )
    told = {
        (partition, block): (rows, total)
        for partition, block, rows, total in connection.execute(
            f"SELECT kafka_partition, kafka_offset // {BLOCK_OFFSETS}, count(*), sum(kafka_offset) "  # noqa: S608 numbers only
            f"FROM held WHERE {within} GROUP BY 1, 2"
        ).fetchall()
    }
    unlike: list[OffsetRange] = []
    for each in compared:
        for block in range(each.first // BLOCK_OFFSETS, (each.end - 1) // BLOCK_OFFSETS + 1):
            first = max(each.first, block * BLOCK_OFFSETS)
            end = min(each.end, (block + 1) * BLOCK_OFFSETS)
            if told.get((each.partition, block)) != (end - first, (first + end - 1) * (end - first) // 2):
                unlike.append(OffsetRange(each.partition, first, end))
    return unlike
