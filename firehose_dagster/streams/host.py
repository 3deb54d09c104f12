"""The stream's host: owns the session, the lease and the query from start to clean stop."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pyiceberg.catalog import Catalog
from pyspark.sql import DataFrame, SparkSession

from firehose_dagster.contracts.layers import Layer
from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.crash_points import CrashPoint, reached
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lake.single_writer import ForeignRowsError
from firehose_dagster.lake.snapshots import held_position, held_topic_ids
from firehose_dagster.lake.spark_session import start_session
from firehose_dagster.lake.trouble import explained
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import BatchAudit
from firehose_dagster.streams.bronze_pass import BronzePass
from firehose_dagster.streams.bronze_replay import bronze_position, replay_from_bronze
from firehose_dagster.streams.jvm_death import jvm_death_explained
from firehose_dagster.streams.layer_failures import LayerFailedError, LayerFailures
from firehose_dagster.streams.lease import StreamLease, refuse_if_held
from firehose_dagster.streams.lost_offsets import accept_loss
from firehose_dagster.streams.progress import ProgressFile, StreamProgress
from firehose_dagster.streams.query import StreamFailedError, TradeQuery
from firehose_dagster.streams.rebuild import empty_for_rebuild
from firehose_dagster.streams.start_plan import plan_start
from firehose_dagster.streams.topic_offsets import TopicUnusableError, wait_for_topic
from firehose_dagster.streams.trade_pass import TradePass

logger = logging.getLogger(__name__)

_WATCH_INTERVAL_SECONDS = 0.2

OnBatch = Callable[[BatchAudit, StreamProgress], None]
OnFailure = Callable[[LayerFailedError], None]


def run_streams(
    settings: Settings,
    stop: threading.Event,
    *,
    until_caught_up: bool,
    on_batch: OnBatch | None = None,
    on_failure: OnFailure | None = None,
    session: SparkSession | None = None,
    owner: str = "firehose streams",
    on_watch: Callable[[], None] | None = None,
    rebuild: Layer | None = None,
) -> StreamProgress:
    """Take the topic through all tables until `stop` is set; with `until_caught_up`, to the topic's end as it is now.

    Always ends between two batches. `on_batch` is called after each batch, from the query's thread; `on_failure` when a
    layer behind bronze failed; `on_watch` a few times a second, from the caller's thread, and may raise to stop. A
    `session` that is given is left running. With `rebuild` that layer is emptied and made anew from the one below.

    Where a layer fails twice at one place of the topic, bronze goes on alone and all layers are tried again later, ever
    less often; with `until_caught_up` that ends in ``StreamFailedError`` once bronze has the topic.

    Raises ``StreamAlreadyRunningError`` where another process writes to this lake, ``LeaseLostError`` where the lease's
    file was deleted while it ran, ``TopicUnusableError`` where the topic does not fit what the lake holds,
    ``StreamFailedError`` where a batch failed and bronze could not go on or silver took other rows than the batch had
    for it or the JVM died, ``ForeignRowsError`` where that is so since an earlier run, ``LakeTroubleError`` where disk,
    catalog or clock is in the way outside of a batch.
    """
    callbacks = _Callbacks(on_batch, on_failure, on_watch)
    with explained(settings):
        return _run(settings, stop, callbacks, session, owner, rebuild, until_caught_up=until_caught_up)


@dataclass(frozen=True, slots=True)
class _Callbacks:
    on_batch: OnBatch | None
    on_failure: OnFailure | None
    on_watch: Callable[[], None] | None


def _run(
    settings: Settings,
    stop: threading.Event,
    callbacks: _Callbacks,
    session: SparkSession | None,
    owner: str,
    rebuild: Layer | None,
    *,
    until_caught_up: bool,
) -> StreamProgress:
    refuse_if_held(settings)
    catalog = open_catalog(settings)
    create_tables(catalog)
    if wait_for_topic(settings, stop) is None:
        return ProgressFile(settings, _silver_position(catalog, settings).offsets).progress
    spark = session or start_session(settings)
    with jvm_death_explained(spark):
        spark.sparkContext.setLogLevel("ERROR")
        lease = StreamLease(spark, settings)
        lease.take(owner)
        reached(CrashPoint.LEASE_TAKEN)
        try:
            if rebuild is not None:
                empty_for_rebuild(spark, catalog, settings, rebuild)
            from_bronze = rebuild == "silver"
            host = _Host(spark, catalog, settings, lease, stop, callbacks, until_caught_up, from_bronze=from_bronze)
            return host.run()
        finally:
            lease.release()
            if session is None:
                spark.stop()


class _Host:
    """Runs all layers; where one of them fails, bronze alone for a while."""

    def __init__(
        self,
        spark: SparkSession,
        catalog: Catalog,
        settings: Settings,
        lease: StreamLease,
        stop: threading.Event,
        callbacks: _Callbacks,
        until_caught_up: bool,
        *,
        from_bronze: bool,
    ) -> None:
        self._spark = spark
        self._catalog = catalog
        self._settings = settings
        self._lease = lease
        self._stop = stop
        self._until_caught_up = until_caught_up
        self._callbacks = callbacks
        self._from_bronze = from_bronze
        self._shown = ProgressFile(settings, _silver_position(catalog, settings).offsets)

    def run(self) -> StreamProgress:
        failures = LayerFailures()
        while True:
            try:
                self._all_layers()
                return self._shown.progress
            except LayerFailedError as error:
                pause_seconds = failures.pause_seconds(_silver_position(self._catalog, self._settings))
                logger.error("layer failed table=%s pause_seconds=%g error=%s", error.table.name, pause_seconds, error)
                self._shown.failed(error.table.name, str(error))
                if self._callbacks.on_failure is not None:
                    self._callbacks.on_failure(error)
                if isinstance(error.__cause__, ForeignRowsError):
                    # The commit stands: to go on would be to build on it.
                    raise StreamFailedError(f"the stream stopped: {error}") from error
                if pause_seconds == 0:
                    continue
                self._bronze_alone(pause_seconds)
                if self._stop.is_set():
                    return self._shown.progress
                if self._until_caught_up:
                    raise StreamFailedError(
                        f"{error}. Bronze holds the topic; the other layers go on from it at the next start"
                    ) from error

    def _all_layers(self) -> None:
        topic = wait_for_topic(self._settings, self._stop)
        if topic is None:
            return
        topic_ids = self._held_topic_ids()

        def batch_done(audit: BatchAudit) -> None:
            self._shown.add(audit, trade_pass.position.offsets)
            if self._callbacks.on_batch is not None:
                self._callbacks.on_batch(audit, self._shown.progress)

        trade_pass = TradePass(self._spark, self._catalog, self._settings, batch_done, topic.topic_id)
        with _closed_at_the_end(trade_pass):
            self._require_topic(trade_pass.position)
            plan = plan_start(trade_pass.position, self._bronze_position(), topic, topic_ids)
            if plan.lost:
                accept_loss(self._settings, self._catalog, trade_pass, plan.lost)
            if plan.needs_bronze or self._from_bronze:
                replay_from_bronze(self._spark, self._catalog, self._settings, trade_pass, self._stop)
                plan = plan_start(trade_pass.position, self._bronze_position(), topic, topic_ids)
            trade_pass.expect(topic.records_behind(trade_pass.position))
            self._run_query(trade_pass.process, plan.starting_offsets(self._settings.topic))

    def _bronze_alone(self, seconds: float) -> None:
        topic = wait_for_topic(self._settings, self._stop)
        if topic is None:
            return
        bronze = BronzePass(self._spark, self._catalog, self._settings, topic.topic_id)
        plan = plan_start(bronze.position, bronze.position, topic, self._held_topic_ids())
        if plan.lost:
            accept_loss(self._settings, self._catalog, bronze, plan.lost)
        bronze.expect(topic.records_behind(bronze.position))
        logger.warning("bronze goes on alone seconds=%g", seconds)
        self._run_query(bronze.process, plan.starting_offsets(self._settings.topic), seconds)

    def _run_query(
        self, process: Callable[[DataFrame, str, int], None], starting_offsets: str, seconds: float | None = None
    ) -> None:
        """Until it has ended by itself, `stop` is set, or the seconds are over. Raises the layer's own error."""
        query = TradeQuery(self._spark, self._settings, process)
        deadline = None if seconds is None or self._until_caught_up else time.monotonic() + seconds
        try:
            query.start(starting_offsets, until_caught_up=self._until_caught_up)
            while query.is_active and not self._stop.wait(_WATCH_INTERVAL_SECONDS):
                self._lease.require_held()
                if self._callbacks.on_watch is not None:
                    self._callbacks.on_watch()
                if deadline is not None and time.monotonic() >= deadline:
                    return
        except StreamFailedError as error:
            failed = error.__cause__
            if isinstance(failed, LayerFailedError):
                raise failed from failed.__cause__
            raise
        finally:
            query.stop()

    def _require_topic(self, position: Position) -> None:
        if position.topic != self._settings.topic:
            raise TopicUnusableError(
                f"the lake was filled from topic {position.topic}, FIREHOSE_TOPIC is {self._settings.topic}: "
                "a lake has one topic; set it back, or use a new home"
            )

    def _held_topic_ids(self) -> frozenset[str]:
        return held_topic_ids(*(self._catalog.load_table(each.identifier) for each in (BRONZE, SILVER)))

    def _bronze_position(self) -> Position:
        return bronze_position(self._catalog, self._settings)


@contextmanager
def _closed_at_the_end(trade_pass: TradePass) -> Iterator[None]:
    """What is buffered is written however it ends: by a Terminate too, which raises."""
    try:
        yield
    except BaseException:
        try:
            trade_pass.close()
        except Exception as error:  # noqa: BLE001 - the first error is the one to tell; these rows are rebuilt
            logger.warning("audit rows not written, the next start rebuilds them error=%s", error)
        raise
    trade_pass.close()


def _silver_position(catalog: Catalog, settings: Settings) -> Position:
    return held_position(catalog.load_table(SILVER.identifier)) or Position(settings.topic, {})
