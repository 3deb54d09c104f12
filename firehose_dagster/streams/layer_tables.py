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
from firehose_dagster.lake.single_writer import link_stamps, require_linked
from firehose_dagster.lake.snapshots import held_position, lineage, stamp
from firehose_dagster.settings import Settings

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
        require_linked(table, link_stamps(held))
        newest = next((each for each in lineage(held) if stamp(each, OFFSETS) is not None), None)
        self._linked_id = None if newest is None else newest.snapshot_id
        self.added_records = 0
        """Rows that the newest commit of the stream added."""

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
        since: list[tuple[int, Mapping[str, str | None]]] = []
        for each in self._snapshots.summaries(OFFSETS):
            since.append(each)
            if each[0] == self._linked_id:
                break
        require_linked(self.contract, [(summary[OFFSETS] or "", summary[OFFSETS_BEFORE]) for _, summary in since])
        if since:
            self._linked_id, newest = since[0]
            self.added_records = int(newest["added-records"] or 0)
        self.position = reached

    def snapshot_id(self) -> int | None:
        """The current snapshot."""
        return self._snapshots.snapshot_id()


@contextmanager
def _stamped(spark: SparkSession, stamps: Mapping[str, str]) -> Iterator[None]:
    for key, value in stamps.items():
        spark.conf.set(_PROPERTY_PREFIX + key, value)
    try:
        yield
    finally:
        for key in stamps:
            spark.conf.unset(_PROPERTY_PREFIX + key)
