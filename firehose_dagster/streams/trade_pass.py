"""One micro-batch, in one pass: bronze, quarantine, silver, spikes, gold, audit. Why so: docs/architecture.md.

Each step is an effect that a replay recognises as done: bronze, quarantine and silver by the offsets in their snapshot
summaries, gold by the silver snapshot it was computed from, spikes by their ids, audit rows by their run id.
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession

from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import BATCH_ID, QUERY_ID, Position
from firehose_dagster.contracts.rules import CONFLICT_RULE
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import GOLD, QUARANTINE, SILVER
from firehose_dagster.crash_points import CrashPoint, reached
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.trouble import told
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_audit import AuditBuffer, BatchAudit
from firehose_dagster.streams.batch_size import sized
from firehose_dagster.streams.batch_summary import BatchSummary, Inserted, read_summary
from firehose_dagster.streams.bronze_layer import BronzeLayer
from firehose_dagster.streams.classification import Coordinates, Verdicts, classify
from firehose_dagster.streams.gold_layer import GoldLayer
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.layer_tables import LayerTable
from firehose_dagster.streams.silver_layer import SilverLayer
from firehose_dagster.streams.silver_lookup import held_content, suspects
from firehose_dagster.transforms.layers import quarantine_rows, silver_rows
from firehose_dagster.transforms.parse import parse
from firehose_dagster.transforms.replay import parsed_again
from firehose_dagster.transforms.summary import broken_rules, summarise, summarise_inserted

logger = logging.getLogger(__name__)

_NO_VERDICTS = Verdicts(duplicates=(), conflicts=())
_MICROSECONDS_PER_MILLISECOND = 1_000


class TradePass:
    """The state that the driver carries from batch to batch, and the steps of a batch."""

    def __init__(
        self,
        spark: SparkSession,
        catalog: Catalog,
        settings: Settings,
        on_batch: Callable[[BatchAudit], None],
        topic_id: str | None = None,
    ) -> None:
        """Reads where the tables stand, and repairs what a crash left undone behind silver.

        `topic_id` is what the broker calls the topic, kept with bronze and silver. Raises ``LayerFailedError``.
        """
        self._settings = settings
        self._on_batch = on_batch
        self._bronze = BronzeLayer(spark, catalog, settings, topic_id)
        self._at_work: Table = OPS_AUDIT
        self._quarantine = LayerTable(spark, catalog, QUARANTINE, settings)
        self._silver = SilverLayer(spark, catalog, settings, topic_id)
        self._audits = AuditBuffer(catalog, DriverTable(spark, OPS_AUDIT, settings))
        with self._layers():
            self._audits.rebuild()
            self._at_work = GOLD
            self._gold = GoldLayer(spark, catalog, settings)
            self._gold.catch_up(self._silver.snapshot_id(), self._silver.watermark_us)
        self._expected_rows = 0

    @property
    def position(self) -> Position:
        """The offsets up to which silver, and so the pass, has come."""
        return self._silver.position

    def expect(self, rows: int) -> None:
        """Say how many rows wait for the first batch; of each later one it is guessed by the one before."""
        self._expected_rows = rows

    def tell(self, audit: BatchAudit) -> None:
        """Write a row of `ops_audit` that is about no batch, at once."""
        self._audits.add(audit)
        self._audits.flush()

    def close(self) -> None:
        """Write what is buffered."""
        self._audits.flush()

    def process(self, records: DataFrame, query_id: str, batch_id: int) -> None:
        """Take one batch of Kafka records through all tables.

        Raises ``LayerFailedError`` where a layer behind bronze failed; its cause is a ``ForeignRowsError`` where silver
        did not take exactly the batch's new rows, or another writer came between. That one it is where it was bronze.
        """
        reached(CrashPoint.BATCH_PLANNED)
        # Its plan reads Kafka alone: a write to a table makes Spark cache anew whatever reads that table.
        self._process(parse(records), f"{query_id}/{batch_id}")

    def replay(self, bronze: DataFrame, run_id: str) -> None:
        """Take rows of bronze, which holds them already, through the tables behind it."""
        self._process(parsed_again(bronze), run_id)

    def _process(self, rows: DataFrame, run_id: str) -> None:
        started_at = datetime.now(UTC)
        spark = rows.sparkSession
        parsed = sized(rows, self._expected_rows).persist(StorageLevel.MEMORY_AND_DISK)
        try:
            batch = read_summary(summarise(parsed, self._silver.watermark).toArrow())
            self._expected_rows = batch.rows
            if batch.rows > 0 and not self._silver.position.covers(batch.ends):
                self._take(spark, parsed, batch, run_id, started_at)
        finally:
            parsed.unpersist()

    def _take(
        self, spark: SparkSession, parsed: DataFrame, batch: BatchSummary, run_id: str, started_at: datetime
    ) -> None:
        query_id, _, batch_id = run_id.rpartition("/")
        provenance = {QUERY_ID: query_id, BATCH_ID: batch_id}
        self._bronze.append(parsed, batch, provenance)
        reached(CrashPoint.BRONZE_COMMITTED)
        with self._layers():
            self._take_behind_bronze(spark, parsed, batch, run_id, started_at, provenance)

    @contextmanager
    def _layers(self) -> Iterator[None]:
        """Within, an error is one of the layer at work: bronze can go on without it."""
        try:
            yield
        except Exception as error:  # raised on: the host must know that bronze has the batch
            raise LayerFailedError(self._at_work, told(error, self._settings)) from error

    def _take_behind_bronze(
        self,
        spark: SparkSession,
        parsed: DataFrame,
        batch: BatchSummary,
        run_id: str,
        started_at: datetime,
        provenance: Mapping[str, str],
    ) -> None:
        self._at_work = SILVER
        verdicts, unclear = self._classify(spark, parsed, batch)
        reached(CrashPoint.BATCH_CLASSIFIED)
        invalid = batch.rows - batch.valid_rows
        broken = _counts(broken_rules(parsed)) if invalid else {}
        if verdicts.conflicts:
            broken = {**broken, CONFLICT_RULE: len(verdicts.conflicts)}
        if invalid or verdicts.conflicts:
            self._at_work = QUARANTINE
            self._append_quarantine(spark, parsed, batch, verdicts, started_at, provenance)
            reached(CrashPoint.QUARANTINE_COMMITTED)

        self._at_work = SILVER
        new = silver_rows(parsed, _coordinates(spark, verdicts.excluded))
        # A row that silver does not take must not say what is late or final.
        inserted = self._inserted(new) if verdicts.excluded else batch.inserted
        audit = self._audit(batch, verdicts, inserted, broken, run_id, started_at)
        self._silver.merge(new, batch, inserted, audit, provenance)
        reached(CrashPoint.SILVER_COMMITTED)
        silver_snapshot_id = self._silver.snapshot_id()
        committed_at = datetime.now(UTC)
        lag_ms = (
            None
            if inserted.oldest_received_us is None
            else max(0, to_microseconds(committed_at) - inserted.oldest_received_us) // _MICROSECONDS_PER_MILLISECOND
        )
        assert silver_snapshot_id is not None  # noqa: S101 - a MERGE was just committed
        self._at_work = GOLD
        outcome = self._gold.update(batch, unclear, silver_snapshot_id, self._silver.watermark_us)
        finished = replace(
            audit,
            finished_at=datetime.now(UTC),
            max_lag_ms=lag_ms,
            gold_minutes=outcome.changed_minutes,
            spikes=outcome.spikes,
            silver_snapshot_id=silver_snapshot_id,
            gold_snapshot_id=outcome.gold_snapshot_id,
        )
        self._at_work = OPS_AUDIT
        self._audits.add(finished)
        reached(CrashPoint.AUDIT_BUFFERED)
        _log(finished)
        self._on_batch(finished)
        reached(CrashPoint.BATCH_DONE)

    def _classify(self, spark: SparkSession, parsed: DataFrame, batch: BatchSummary) -> tuple[Verdicts, frozenset[str]]:
        """The valid rows that are not new, and the symbols of which not every row is known to be."""
        held_ids = batch.ids_up_to(self._gold.highest_ids(batch.highest_ids.keys()))
        repeated = batch.repeated_ids
        if not held_ids and not repeated:
            return _NO_VERDICTS, frozenset()
        symbols = frozenset({*held_ids, *repeated})
        ids = {symbol: held_ids.get(symbol, frozenset()) | repeated.get(symbol, frozenset()) for symbol in symbols}
        verdicts = classify(suspects(parsed, ids), held_content(spark, self._gold.table, held_ids))
        return verdicts, symbols

    def _inserted(self, new: DataFrame) -> Inserted:
        (record,) = summarise_inserted(new, self._silver.watermark).toArrow().to_pylist()
        return Inserted(**record)

    def _append_quarantine(
        self,
        spark: SparkSession,
        parsed: DataFrame,
        batch: BatchSummary,
        verdicts: Verdicts,
        rejected_at: datetime,
        provenance: Mapping[str, str],
    ) -> None:
        missing = self._quarantine.missing(parsed, batch.starts, batch.ends)
        if missing is not None:
            conflicts = _coordinates(spark, verdicts.conflicts)
            with self._quarantine.commits_up_to(spark, batch.ends, provenance):
                quarantine_rows(missing, conflicts, rejected_at).writeTo(QUARANTINE.spark_identifier).append()

    def _audit(
        self,
        batch: BatchSummary,
        verdicts: Verdicts,
        inserted: Inserted,
        broken: Mapping[str, int],
        run_id: str,
        started_at: datetime,
    ) -> BatchAudit:
        """What is known before silver is committed; it travels in silver's snapshot summary."""
        query_id, _, batch_id = run_id.rpartition("/")
        return BatchAudit(
            run_id=run_id,
            kind="micro_batch",
            query_id=query_id,
            batch_id=int(batch_id),
            started_at=started_at,
            finished_at=datetime.now(UTC),
            rows_in=batch.rows,
            rows_out=batch.valid_rows - len(verdicts.excluded),
            dq_pass=batch.valid_rows - len(verdicts.conflicts),
            dq_fail=batch.rows - batch.valid_rows + len(verdicts.conflicts),
            dq_fail_by_rule=broken,
            duplicates=len(verdicts.duplicates),
            conflicts=len(verdicts.conflicts),
            late_rows=inserted.late,
            gold_minutes=0,
            spikes=0,
            max_lag_ms=None,
            watermark=self._silver.watermark,
            offsets_start=Position(self._settings.topic, batch.starts).to_json(),
            offsets_end=Position(self._settings.topic, batch.ends).to_json(),
            bronze_snapshot_id=self._bronze.snapshot_id(),
            silver_snapshot_id=None,
            gold_snapshot_id=None,
        )


def _coordinates(spark: SparkSession, coordinates: Sequence[Coordinates]) -> DataFrame | None:
    if not coordinates:
        return None
    partitions, offsets = zip(*coordinates, strict=True)
    return spark.createDataFrame(
        pa.table({"kafka_partition": pa.array(partitions, pa.int32()), "kafka_offset": pa.array(offsets, pa.int64())})
    )


def _counts(broken: DataFrame) -> dict[str, int]:
    return {record["rule"]: record["rows"] for record in broken.toArrow().to_pylist()}


def _log(audit: BatchAudit) -> None:
    logger.info(
        "batch run_id=%s rows_in=%d silver=%d dq_pass=%d dq_fail=%d by_rule=%s duplicates=%d conflicts=%d late=%d "
        "gold_minutes=%d spikes=%d lag_ms=%s seconds=%.2f",
        audit.run_id,
        audit.rows_in,
        audit.rows_out,
        audit.dq_pass,
        audit.dq_fail,
        dict(audit.dq_fail_by_rule),
        audit.duplicates,
        audit.conflicts,
        audit.late_rows,
        audit.gold_minutes,
        audit.spikes,
        audit.max_lag_ms,
        (audit.finished_at - audit.started_at).total_seconds(),
    )
