"""The one streaming query: Kafka -> a pass, stopped only between two batches."""

import logging
import shutil
import threading
import uuid
from collections.abc import Callable
from typing import Any

from pyspark.errors.exceptions.base import PySparkException
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql.streaming.query import StreamingQuery

from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.trouble import told
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

_CONSUMER_OPTIONS = {
    # Kafka's own 500 records and 1 MiB make a task wait for the broker half of its time when it catches up.
    "kafka.max.poll.records": "5000",
    "kafka.max.partition.fetch.bytes": str(8 * 1024 * 1024),
    "kafka.receive.buffer.bytes": str(4 * 1024 * 1024),
}


class StreamFailedError(ExplainedError):
    """The query ended by an error; the next start goes on behind what silver holds."""


class _StoppingError(RuntimeError):
    """Refuses a batch that comes when the query is being stopped: it is not done, so it must not be marked done."""


class TradeQuery:
    """Starts, watches and stops the query."""

    def __init__(self, spark: SparkSession, settings: Settings, process: Callable[[DataFrame, str, int], None]) -> None:
        """`process` takes a batch of Kafka records, the query's id and the batch's."""
        self._spark = spark
        self._settings = settings
        self._process = process
        self._query: StreamingQuery | None = None
        self._started = threading.Event()
        self._stopping = threading.Event()
        self._idle = threading.Event()
        self._idle.set()
        self._failure: BaseException | None = None

    def start(self, starting_offsets: str, *, until_caught_up: bool) -> None:
        """Start reading at these offsets; with `until_caught_up`, up to the topic's end as it is now."""
        source = (
            self._spark.readStream.format("kafka")
            .option("kafka.bootstrap.servers", self._settings.bootstrap_servers)
            .option("subscribe", self._settings.topic)
            .option("startingOffsets", starting_offsets)
            .option("maxOffsetsPerTrigger", self._settings.max_rows_per_batch)
            .option("failOnDataLoss", "true")
            .options(**_CONSUMER_OPTIONS)
            .load()
        )
        writer = source.writeStream.queryName("trades").option("checkpointLocation", self._new_checkpoint())
        trigger: dict[str, Any] = (
            {"availableNow": True}
            if until_caught_up
            else {"processingTime": f"{self._settings.trigger_interval_ms} milliseconds"}
        )
        self._query = writer.foreachBatch(self._on_batch).trigger(**trigger).start()
        self._started.set()
        logger.info("query started id=%s starting_offsets=%s", self._query.id, starting_offsets)

    @property
    def is_active(self) -> bool:
        """Whether the query runs. Raises ``StreamFailedError`` where it ended by an error."""
        assert self._query is not None  # noqa: S101 - start comes first
        if self._query.isActive:
            return True
        if self._stopping.is_set():
            return False
        error = self._failure or self._query.exception()
        if error is not None:
            raise StreamFailedError(f"the stream stopped: {told(error, self._settings)}") from (
                error if isinstance(error, BaseException) else None
            )
        return False

    def stop(self) -> None:
        """Let the batch at work end, start no other, end the query.

        Spark is never interrupted within a batch: that once ended in a stack overflow while it formatted the error.
        """
        if self._query is None:
            return
        self._stopping.set()
        self._idle.wait()
        try:
            self._query.stop()
        except PySparkException as error:
            logger.warning("query did not stop cleanly error=%s", error)
        logger.info("query stopped id=%s", self._query.id)

    def _on_batch(self, records: DataFrame, batch_id: int) -> None:
        self._started.wait()
        assert self._query is not None  # noqa: S101 - start has set it
        self._idle.clear()
        try:
            if self._stopping.is_set():
                raise _StoppingError("the stream is being stopped")
            self._process(records, str(self._query.id), batch_id)
        except _StoppingError:
            raise
        except BaseException as error:
            # Kept, for what Spark reports of it is a Java stack trace around a text.
            self._failure = error
            raise
        finally:
            self._idle.set()

    def _new_checkpoint(self) -> str:
        """A fresh folder: where to go on is told by silver, so an old checkpoint can only disagree."""
        shutil.rmtree(self._settings.checkpoint_dir, ignore_errors=True)
        folder = self._settings.checkpoint_dir / str(uuid.uuid4())
        folder.mkdir(parents=True)
        return folder.as_uri()
