"""A micro-batch into bronze alone: what goes on while a layer behind it cannot."""

import logging

from pyiceberg.catalog import Catalog
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import BATCH_ID, QUERY_ID, Position
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import AuditBuffer, BatchAudit
from firehose_dagster.streams.batch_size import sized
from firehose_dagster.streams.batch_summary import read_summary
from firehose_dagster.streams.bronze_layer import BronzeLayer
from firehose_dagster.transforms.parse import parse
from firehose_dagster.transforms.summary import summarise

logger = logging.getLogger(__name__)


class BronzePass:
    """Takes what comes in; the layers behind catch up from the topic, or from bronze where the topic lost it."""

    def __init__(self, spark: SparkSession, catalog: Catalog, settings: Settings, topic_id: str | None = None) -> None:
        """`topic_id` is what the broker calls the topic."""
        self._spark = spark
        self._catalog = catalog
        self._settings = settings
        self._bronze = BronzeLayer(spark, catalog, settings, topic_id)
        self._expected_rows = 0

    @property
    def position(self) -> Position:
        """The offsets up to which bronze holds the topic."""
        return self._bronze.position

    def expect(self, rows: int) -> None:
        """Say how many rows wait for the first batch; of each later one it is guessed by the one before."""
        self._expected_rows = rows

    def tell(self, audit: BatchAudit) -> None:
        """Write a row of `ops_audit` that is about no batch, at once."""
        audits = AuditBuffer(self._catalog, DriverTable(self._spark, OPS_AUDIT, self._settings))
        audits.add(audit)
        audits.flush()

    def process(self, records: DataFrame, query_id: str, batch_id: int) -> None:
        """Append one batch of Kafka records."""
        parsed = sized(parse(records), self._expected_rows).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            batch = read_summary(summarise(parsed, None).toArrow())
            self._expected_rows = batch.rows
            if batch.rows > 0:
                self._bronze.append(parsed, batch, {QUERY_ID: query_id, BATCH_ID: str(batch_id)})
                logger.info("batch run_id=%s/%d rows_in=%d bronze alone", query_id, batch_id, batch.rows)
        finally:
            parsed.unpersist()
