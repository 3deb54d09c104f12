"""The stream's host: owns the session, the lease and the query from start to clean stop."""

import logging
import threading
from collections.abc import Callable

from pyspark.sql import SparkSession

from firehose_dagster.crash_points import CrashPoint, reached
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.spark_session import start_session
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.lease import StreamLease, refuse_if_held
from firehose_dagster.streams.progress import ProgressFile, StreamProgress
from firehose_dagster.streams.query import TradeQuery
from firehose_dagster.streams.topic_offsets import TopicUnusableError, starting_offsets, wait_for_topic
from firehose_dagster.streams.trade_pass import TradePass

logger = logging.getLogger(__name__)

_WATCH_INTERVAL_SECONDS = 0.2

OnBatch = Callable[[BatchAudit, StreamProgress], None]


def run_streams(
    settings: Settings,
    stop: threading.Event,
    *,
    until_caught_up: bool,
    on_batch: OnBatch | None = None,
    session: SparkSession | None = None,
    owner: str = "firehose streams",
    on_watch: Callable[[], None] | None = None,
) -> StreamProgress:
    """Take the topic through all tables until `stop` is set; with `until_caught_up`, to the topic's end as it is now.

    Always ends between two batches. `on_batch` is called after each batch, from the query's thread; `on_watch` a few
    times a second, from the caller's, and may raise to stop. A `session` that is given is left running.

    Raises ``StreamAlreadyRunningError`` where another process writes to this lake, ``TopicUnusableError`` where the
    topic does not fit what the lake holds, ``StreamFailedError`` where a batch failed.
    """
    refuse_if_held(settings)
    catalog = open_catalog(settings)
    create_tables(catalog)
    topic = wait_for_topic(settings, stop)
    spark = session or start_session(settings)
    spark.sparkContext.setLogLevel("ERROR")
    lease = StreamLease(spark, settings)
    lease.take(owner)
    reached(CrashPoint.LEASE_TAKEN)
    try:
        shown: list[ProgressFile] = []

        def batch_done(audit: BatchAudit) -> None:
            shown[0].add(audit, trade_pass.position.offsets)
            if on_batch is not None:
                on_batch(audit, shown[0].progress)

        trade_pass = TradePass(spark, catalog, settings, batch_done)
        shown.append(ProgressFile(settings, trade_pass.position.offsets))
        if trade_pass.position.topic != settings.topic:
            raise TopicUnusableError(
                f"the lake was filled from topic {trade_pass.position.topic}, FIREHOSE_TOPIC is {settings.topic}: "
                "a lake has one topic; set it back, or use a new home"
            )
        trade_pass.expect(topic.records_behind(trade_pass.position))
        query = TradeQuery(spark, settings, trade_pass)
        try:
            query.start(starting_offsets(trade_pass.position, topic), until_caught_up=until_caught_up)
            while query.is_active and not stop.wait(_WATCH_INTERVAL_SECONDS):
                if on_watch is not None:
                    on_watch()
        finally:
            query.stop()
            trade_pass.close()
        return shown[0].progress
    finally:
        lease.release()
        if session is None:
            spark.stop()
