"""The tables that a micro-batch writes with Spark: where each stands in the topic, and how a commit says so."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from operator import or_

from pyiceberg.catalog import Catalog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from firehose_dagster.contracts.position import OFFSETS, Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.snapshots import held_position
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

_PROPERTY_PREFIX = "spark.sql.iceberg.snapshot-property."


class LayerTable:
    """One table, its position in the topic, and its snapshots."""

    def __init__(self, spark: SparkSession, catalog: Catalog, table: Table, settings: Settings) -> None:
        self.contract = table
        held = held_position(catalog.load_table(table.identifier))
        self.position = held or Position(topic=settings.topic, offsets={})
        self._snapshots = DriverTable(spark, table, settings)

    def missing(self, parsed: DataFrame, starts: Mapping[int, int], ends: Mapping[int, int]) -> DataFrame | None:
        """The rows of the batch that the table does not hold yet: all, none (None), or those behind its position.

        The last happens once after a crash: batches are cut anew, and this table was ahead of silver.
        """
        if self.position.covers(ends):
            return None
        ahead = {p: end for p, end in self.position.offsets.items() if end > starts.get(p, end)}
        if not ahead:
            return parsed
        held = ((f.col("kafka_partition") == p) & (f.col("kafka_offset") < end) for p, end in ahead.items())
        return parsed.where(~reduce(or_, held))

    def committed(self, ends: Mapping[int, int]) -> None:
        """Note that the batch up to `ends` is in the table."""
        self.position = self.position.advanced(ends)

    def snapshot_id(self) -> int | None:
        """The current snapshot."""
        return self._snapshots.snapshot_id()

    def added_records(self) -> int:
        """Rows that the stream's newest commit added."""
        return int(self._snapshots.newest_summary(OFFSETS).get("added-records", "0"))


@contextmanager
def stamped(spark: SparkSession, position: Position, properties: Mapping[str, str]) -> Iterator[None]:
    """Every commit of the session within leaves `position` and `properties` in its snapshot's summary.

    The session is that of the rows that are written: a streaming query has one of its own, which does not hear of what
    is set in the one it was started from.
    """
    stamps = {OFFSETS: position.to_json(), **properties}
    for key, value in stamps.items():
        spark.conf.set(_PROPERTY_PREFIX + key, value)
    try:
        yield
    finally:
        for key in stamps:
            spark.conf.unset(_PROPERTY_PREFIX + key)
