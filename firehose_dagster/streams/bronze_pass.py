"""A micro-batch into bronze alone: what goes on while a layer behind it cannot."""

import logging

from pyiceberg.catalog import Catalog
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from firehose_dagster.contracts.position import BATCH_ID, QUERY_ID, Position
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_summary import read_summary
from firehose_dagster.streams.bronze_layer import BronzeLayer
from firehose_dagster.transforms.parse import parse
from firehose_dagster.transforms.summary import summarise

logger = logging.getLogger(__name__)


class BronzePass:
    """Takes what comes in; the layers behind catch up from the topic, or from bronze where the topic lost it."""

    def __init__(self, spark: SparkSession, catalog: Catalog, settings: Settings) -> None:
        self._bronze = BronzeLayer(spark, catalog, settings)

    @property
    def position(self) -> Position:
        """The offsets up to which bronze holds the topic."""
        return self._bronze.position

    def process(self, records: DataFrame, query_id: str, batch_id: int) -> None:
        """Append one batch of Kafka records."""
        parsed = parse(records).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            batch = read_summary(summarise(parsed, None).toArrow())
            if batch.rows > 0:
                self._bronze.append(parsed, batch, {QUERY_ID: query_id, BATCH_ID: str(batch_id)})
                logger.info("batch run_id=%s/%d rows_in=%d bronze alone", query_id, batch_id, batch.rows)
        finally:
            parsed.unpersist()
