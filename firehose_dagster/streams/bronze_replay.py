"""Silver and all behind it, from bronze: for records that the topic no longer has, and for a rebuild."""

import logging
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence

from pyiceberg.catalog import Catalog
from pyspark.sql import SparkSession
from pyspark.sql import functions as f

from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.lake.snapshots import held_position
from firehose_dagster.settings import Settings
from firehose_dagster.streams.lost_offsets import Losses, told_losses
from firehose_dagster.streams.trade_pass import TradePass

logger = logging.getLogger(__name__)

Slice = Mapping[int, tuple[int, int]]
"""First offset and the offset after the last one, by partition."""


_NO_LOSSES: Losses = {}


def slices(start: Mapping[int, int], end: Mapping[int, int], rows: int, losses: Losses = _NO_LOSSES) -> Iterator[Slice]:
    """What lies between `start` and `end`, in order, at most `rows` offsets at a time, partitions evenly.

    What was lost is in none, and none reaches over it: a slice has as many records as offsets, as the audit says.
    """
    position = {partition: _behind_loss(start.get(partition, 0), losses.get(partition, ())) for partition in end}
    while behind := {
        partition: _before_loss(at, end[partition], losses.get(partition, ())) - at
        for partition, at in position.items()
        if at < end[partition]
    }:
        share = max(1, rows // len(behind))
        step: dict[int, tuple[int, int]] = {}
        left = rows
        for partition, waiting in sorted(behind.items()):
            taken = min(waiting, share, left)
            if taken > 0:
                step[partition] = (position[partition], position[partition] + taken)
                left -= taken
        position |= {
            partition: _behind_loss(until, losses.get(partition, ())) for partition, (_, until) in step.items()
        }
        yield step


def _behind_loss(at: int, lost: Sequence[tuple[int, int]]) -> int:
    for first, end in lost:
        if first <= at < end:
            at = end
    return at


def _before_loss(at: int, end: int, lost: Sequence[tuple[int, int]]) -> int:
    return min([end, *(first for first, _ in lost if first > at)])


def bronze_position(catalog: Catalog, settings: Settings) -> Position:
    """The offsets up to which bronze holds the topic."""
    return held_position(catalog.load_table(BRONZE.identifier)) or Position(settings.topic, {})


def replay_from_bronze(
    spark: SparkSession, catalog: Catalog, settings: Settings, trade_pass: TradePass, stop: threading.Event
) -> int:
    """Take what bronze holds behind silver through silver and the layers after it; returns the number of batches.

    Ends early, between two batches, where `stop` is set. Raises ``LayerFailedError``.
    """
    until = bronze_position(catalog, settings)
    rows = settings.max_rows_per_batch
    run, batches = str(uuid.uuid4()), 0
    logger.info("replay from bronze from=%s to=%s", trade_pass.position.to_json(), until.to_json())
    for part in slices(trade_pass.position.offsets, until.offsets, rows, told_losses(catalog)):
        if stop.is_set():
            break
        trade_pass.expect(sum(end - first for first, end in part.values()))
        within = f.lit(False)
        for partition, (first, end) in part.items():
            within |= (f.col("kafka_partition") == partition) & f.col("kafka_offset").between(first, end - 1)
        trade_pass.replay(spark.table(BRONZE.spark_identifier).where(within), f"{run}/{batches}")
        batches += 1
    return batches
