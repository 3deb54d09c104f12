"""The tables that a micro-batch writes with Spark: where each stands in the topic, and how a commit says so."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import reduce
from operator import or_

from pyiceberg.catalog import Catalog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from firehose_dagster.contracts.position import OFFSETS, OFFSETS_BEFORE, Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.snapshots import held_position, lineage, stamp
from firehose_dagster.settings import Settings
from firehose_dagster.streams.single_writer import require_linked

logger = logging.getLogger(__name__)

_PROPERTY_PREFIX = "spark.sql.iceberg.snapshot-property."


class LayerTable:
    """One table, its position in the topic, and its snapshots."""

    def __init__(self, spark: SparkSession, catalog: Catalog, table: Table, settings: Settings) -> None:
        """Raises ``OtherWriterError`` where somebody else's commit lies between two of the stream's."""
        self.contract = table
        held = catalog.load_table(table.identifier)
        self.position = held_position(held) or Position(topic=settings.topic, offsets={})
        self._snapshots = DriverTable(spark, table, settings)
        stamped = [(each, offsets) for each in lineage(held) if (offsets := stamp(each, OFFSETS)) is not None]
        require_linked(table, [(offsets, stamp(each, OFFSETS_BEFORE)) for each, offsets in stamped])
        self._linked_id = stamped[0][0].snapshot_id if stamped else None

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

    @contextmanager
    def commits_up_to(
        self, spark: SparkSession, ends: Mapping[int, int], properties: Mapping[str, str]
    ) -> Iterator[None]:
        """Within, the session's commit takes the table up to `ends`; its summary says so, and has the properties.

        The session is that of the rows that are written: a streaming query has one of its own, which does not hear of
        what is set in the one it was started from. Raises ``OtherWriterError`` where somebody else's commit came
        between; this one stands then.
        """
        reached = self.position.advanced(ends)
        stamps = {OFFSETS: reached.to_json(), OFFSETS_BEFORE: self.position.to_json(), **properties}
        with _stamped(spark, stamps):
            yield
        since: list[tuple[str, str | None]] = []
        newest_id = None
        for snapshot_id, summary in self._snapshots.summaries(OFFSETS):
            newest_id = newest_id or snapshot_id
            since.append((summary[OFFSETS], summary.get(OFFSETS_BEFORE)))
            if snapshot_id == self._linked_id:
                break
        require_linked(self.contract, since)
        self._linked_id = newest_id
        self.position = reached

    def snapshot_id(self) -> int | None:
        """The current snapshot."""
        return self._snapshots.snapshot_id()

    def added_records(self) -> int:
        """Rows that the stream's newest commit added."""
        return int(self._snapshots.newest_summary(OFFSETS).get("added-records", "0"))


@contextmanager
def _stamped(spark: SparkSession, stamps: Mapping[str, str]) -> Iterator[None]:
    for key, value in stamps.items():
        spark.conf.set(_PROPERTY_PREFIX + key, value)
    try:
        yield
    finally:
        for key in stamps:
            spark.conf.unset(_PROPERTY_PREFIX + key)
