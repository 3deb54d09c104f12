"""Bronze in the stream: each record of the topic once, and what of it the layers behind may read again."""

from collections.abc import Mapping

from pyiceberg.catalog import Catalog
from pyspark.sql import DataFrame, SparkSession

from firehose_dagster.contracts.position import TOPIC_ID, Position
from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_summary import BatchSummary
from firehose_dagster.streams.layer_tables import LayerTable
from firehose_dagster.transforms.layers import bronze_rows


class BronzeLayer:
    """Appends batches; a record that is held already is left out by its offset."""

    def __init__(self, spark: SparkSession, catalog: Catalog, settings: Settings, topic_id: str | None) -> None:
        """`topic_id` is what the broker calls the topic, kept with the rows."""
        self._topic_stamp = {} if topic_id is None else {TOPIC_ID: topic_id}
        self._table = LayerTable(spark, catalog, BRONZE, settings)

    @property
    def position(self) -> Position:
        """The offsets up to which bronze holds the topic."""
        return self._table.position

    def append(self, parsed: DataFrame, batch: BatchSummary, provenance: Mapping[str, str]) -> None:
        """Append what of the batch is not held, in one commit that says up to where bronze then is."""
        missing = self._table.missing(parsed, batch.starts, batch.ends)
        if missing is not None:
            provenance = {**provenance, **self._topic_stamp}
            with self._table.commits_up_to(missing.sparkSession, batch.ends, provenance):
                # Compaction brings the rows into the table's order; here a sort would cost as much as the writing.
                writer = bronze_rows(missing).writeTo(BRONZE.spark_identifier)
                writer.option("use-table-distribution-and-ordering", "false").append()

    def snapshot_id(self) -> int | None:
        """The current snapshot."""
        return self._table.snapshot_id()
