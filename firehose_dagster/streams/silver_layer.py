"""Silver in the stream: the MERGE that is a batch's point of no return, and the watermark that travels with it."""

from collections.abc import Mapping
from datetime import datetime

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table as IcebergTable
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as f

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.position import AUDIT, TOPIC_ID, WATERMARK, Position
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.single_writer import ForeignRowsError
from firehose_dagster.lake.snapshots import lineage, newest_stamp, stamp
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.batch_summary import BatchSummary, Inserted
from firehose_dagster.streams.layer_tables import LayerTable


class RowsLostError(ForeignRowsError):
    """Silver took other rows than the batch had for it: a second writer, or a state that does not match the tables."""

    def __init__(self, run_id: str, added: int, expected: int) -> None:
        super().__init__(
            f"batch {run_id}: silver took {added} rows, {expected} were new to it: a second stream, or another tool, "
            "writes to this lake. End that one, roll bronze and quarantine back where it wrote to them too "
            "(`firehose verify` says so), then `firehose rebuild silver`"
        )


class SilverLayer:
    """Inserts what is new. Its newest snapshot says up to where all layers have come."""

    def __init__(self, spark: SparkSession, catalog: Catalog, settings: Settings, topic_id: str | None) -> None:
        """Raises ``ForeignRowsError`` where a batch in silver ended by it, and silver was not made anew since."""
        self._table = LayerTable(spark, catalog, SILVER, settings)
        self._late_after_us = settings.late_after_minutes * 60_000_000
        self._topic_stamp = {} if topic_id is None else {TOPIC_ID: topic_id}
        held = catalog.load_table(SILVER.identifier)
        _require_whole(held)
        watermark = newest_stamp(held, WATERMARK)
        self.watermark_us = None if watermark is None else int(watermark)

    @property
    def position(self) -> Position:
        """The offsets up to which silver, and so the pass, has come."""
        return self._table.position

    @property
    def watermark(self) -> datetime | None:
        """The highest trade time held, minus the lateness allowed."""
        return None if self.watermark_us is None else from_microseconds(self.watermark_us)

    def snapshot_id(self) -> int | None:
        """The current snapshot."""
        return self._table.snapshot_id()

    def merge(
        self, new: DataFrame, batch: BatchSummary, inserted: Inserted, audit: BatchAudit, provenance: Mapping[str, str]
    ) -> None:
        """Insert the rows that are new, in one commit that says where the topic then stands and what the batch was.

        Raises ``RowsLostError`` where silver did not take exactly `audit.rows_out` rows, and ``OtherWriterError`` where
        somebody else's commit came between; the commit stands then.
        """
        if inserted.newest_event_us is not None:
            watermark_us = inserted.newest_event_us - self._late_after_us
            self.watermark_us = max(watermark_us, self.watermark_us or watermark_us)
        stamps = {**provenance, **self._topic_stamp, AUDIT: audit.to_json()}
        if self.watermark_us is not None:
            stamps[WATERMARK] = str(self.watermark_us)
        with self._table.commits_up_to(new.sparkSession, batch.ends, stamps):
            new.alias("source").mergeInto(
                SILVER.spark_identifier, _same_trade(batch)
            ).whenNotMatched().insertAll().merge()
        _require_taken(audit, self._table.added_records)


def _require_whole(silver: IcebergTable) -> None:
    """The newest batch's commit added as many rows as its own audit row says."""
    for snapshot in lineage(silver):
        text = stamp(snapshot, AUDIT)
        if text is not None:
            _require_taken(BatchAudit.from_json(text), int(stamp(snapshot, "added-records") or 0))
            return


def _require_taken(audit: BatchAudit, added: int) -> None:
    if added != audit.rows_out:
        raise RowsLostError(audit.run_id, added, audit.rows_out)


def _same_trade(batch: BatchSummary) -> Column:
    """The MERGE's condition. A trade sent again has the time it had: only files around the batch's times are read."""
    target = SILVER.name
    keys = f.expr(f"source.symbol = {target}.symbol and source.agg_id = {target}.agg_id")
    if batch.oldest_event_us is None or batch.newest_event_us is None:
        return keys & f.lit(False)
    event_ts = f.col(f"{target}.event_ts")
    return (
        keys
        & (event_ts >= f.lit(from_microseconds(batch.oldest_event_us)))
        & (event_ts <= f.lit(from_microseconds(batch.newest_event_us)))
    )
