"""Gold behind silver: each batch's minutes combined or recomputed, spikes first, then the gold rows."""

import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import pyarrow as pa
from pyiceberg.catalog import Catalog
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as f

from firehose_dagster.binance.gaps import HeldIds
from firehose_dagster.contracts.position import HOLES_SNAPSHOT, SILVER_SNAPSHOT
from firehose_dagster.contracts.trade_tables import GOLD, SILVER, SPIKES
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.snapshots import lineage, newest_stamp
from firehose_dagster.settings import Settings
from firehose_dagster.streams.batch_summary import BatchSummary, minute_base
from firehose_dagster.streams.event_spans import during
from firehose_dagster.streams.gold_holes import GoldHoles
from firehose_dagster.streams.gold_minutes import MICROSECONDS_PER_MINUTE, MINUTES_PER_HOUR, GoldMinutes, MinuteKey
from firehose_dagster.streams.gold_table import GoldTable
from firehose_dagster.streams.silver_lookup import held_between
from firehose_dagster.streams.spike_events import SpikeEvents
from firehose_dagster.transforms.gold import MinuteBase, SpikeThresholds
from firehose_dagster.transforms.summary import silver_minutes

logger = logging.getLogger(__name__)

MINUTES_A_COMMIT = 50_000
"""Rows of gold that are made anew at once: some 100 MB. What a crash leaves to catch up with is nearly always less."""


class GoldAheadError(ExplainedError):
    """Gold knows of rows that silver no longer has."""


@dataclass(frozen=True, slots=True)
class GoldOutcome:
    """What a batch did to gold."""

    changed_minutes: int
    spikes: int
    gold_snapshot_id: int | None


class GoldLayer:
    """Keeps gold a function of silver, batch by batch."""

    def __init__(self, spark: SparkSession, catalog: Catalog, settings: Settings) -> None:
        self._spark = spark
        self._catalog = catalog
        self._writer = DriverTable(spark, GOLD, settings)
        self.table = GoldTable(catalog, self._writer)
        holes_stamp = newest_stamp(catalog.load_table(GOLD.identifier), HOLES_SNAPSHOT)
        self._holes = GoldHoles(
            catalog,
            lambda symbol, ids, minute: held_between(spark, self.table, symbol, ids, minute),
            None if holes_stamp is None else int(holes_stamp),
        )
        self._minutes = GoldMinutes(self.table, spike_thresholds(settings), self._holes.count)
        self._spikes = SpikeEvents(catalog, DriverTable(spark, SPIKES, settings))
        self._highest: dict[str, int] = {}
        self._gold_snapshot_id = self._writer.snapshot_id()

    def highest_ids(self, symbols: Iterable[str]) -> Mapping[str, int]:
        """Highest id held of each symbol; symbols of which none is held are left out."""
        unknown = [symbol for symbol in symbols if symbol not in self._highest]
        if unknown:
            held = self.table.highest_ids(unknown)
            self._highest |= {symbol: held.get(symbol, -1) for symbol in unknown}
        return {symbol: self._highest[symbol] for symbol in symbols if self._highest[symbol] >= 0}

    def catch_up(self, silver_snapshot_id: int | None, watermark_us: int | None) -> None:
        """Recompute what silver holds and gold does not know of: after a crash between the two, or all of it.

        Oldest hours first, in several commits where it is much; an interrupted one begins again, and ends in the same.
        Raises ``GoldAheadError`` where gold was computed from what silver no longer is.
        """
        if silver_snapshot_id is None or watermark_us is None:
            return
        stamp = newest_stamp(self._catalog.load_table(GOLD.identifier), SILVER_SNAPSHOT)
        if stamp == str(silver_snapshot_id):
            if bases := self._beside_new_holes():
                self._write(bases, {}, silver_snapshot_id, watermark_us)
            return
        changed = self._silver_since(None if stamp is None else int(stamp), silver_snapshot_id).select(
            "symbol", "event_ts", f.expr(f"unix_micros(event_ts) div {MICROSECONDS_PER_MINUTE}").alias("minute")
        )
        parts = hour_spans(_minutes_by_hour(changed), MINUTES_A_COMMIT) or [range(0)]
        logger.info("gold catches up from_silver=%s to_silver=%s parts=%d", stamp, silver_snapshot_id, len(parts))
        bases = self._beside_new_holes()
        for number, hours in enumerate(parts, start=1):
            bases |= self._recomputed(_keys_within(changed, hours))
            # Only the last commit says what gold then is a function of: after a crash before it all is done again.
            self._write(bases, {}, silver_snapshot_id, watermark_us, part=number, parts=len(parts))
            bases = {}

    def update(
        self, batch: BatchSummary, unclear_symbols: frozenset[str], silver_snapshot_id: int, watermark_us: int | None
    ) -> GoldOutcome:
        """Bring gold up to the batch just committed to silver.

        Minutes of which every row was new grow by the batch's own figures; those of `unclear_symbols` are recomputed
        from silver.
        """
        if watermark_us is None:
            return GoldOutcome(0, 0, self._gold_snapshot_id)
        self._holes.note(batch)
        seen: set[MinuteKey] = set()
        split: set[str] = set()
        for minute in batch.minutes:
            key = MinuteKey(minute.symbol, minute.base.minute)
            if key in seen:
                # A symbol whose rows lie in two Kafka partitions: their ids interleave.
                split.add(minute.symbol)
            seen.add(key)
        recompute = unclear_symbols | split
        bases = self._beside_new_holes() | self._minutes.grow(
            (minute.symbol, minute.base) for minute in batch.minutes if minute.symbol not in recompute
        )
        bases |= self._recomputed([key for key in batch.keys if key.symbol in recompute])
        received: dict[str, int] = {}
        for minute in batch.minutes:
            received[minute.symbol] = max(minute.newest_received_us, received.get(minute.symbol, 0))
        for symbol, highest in batch.highest_ids.items():
            self._highest[symbol] = max(highest, self._highest.get(symbol, -1))
        return self._write(bases, received, silver_snapshot_id, watermark_us)

    def _write(
        self,
        bases: Mapping[MinuteKey, MinuteBase],
        newest_received_us: Mapping[str, int],
        silver_snapshot_id: int,
        watermark_us: int,
        part: int = 1,
        parts: int = 1,
    ) -> GoldOutcome:
        change = self._minutes.apply(bases, watermark_us, silver_snapshot_id, datetime.now(UTC))
        is_stamp_due = part == parts > 1
        if not change.changed and not is_stamp_due:
            self._minutes.evict(watermark_us)
            return GoldOutcome(0, 0, self._gold_snapshot_id)
        spikes = self._spikes.append(change.changed, newest_received_us, silver_snapshot_id)
        stamps = {SILVER_SNAPSHOT: str(silver_snapshot_id)}
        if self._holes.snapshot_id is not None:
            stamps[HOLES_SNAPSHOT] = str(self._holes.snapshot_id)
        self._gold_snapshot_id = self.table.replace(change.hours, stamps if part == parts else {})
        self._minutes.evict(watermark_us)
        return GoldOutcome(len(change.changed), spikes, self._gold_snapshot_id)

    def _beside_new_holes(self) -> dict[MinuteKey, MinuteBase]:
        """The minutes that were incomplete only for want of ids that turned out not to exist: to be judged again."""
        holes = self._holes.refresh()
        if not holes:
            return {}
        # The minute of the next id is the one that lacked them, where they lie between two minutes.
        lacking = defaultdict[str, HeldIds](HeldIds)
        for hole in holes:
            lacking[hole.symbol].add_range(hole.first_agg_id, hole.next_agg_id)
        return self._minutes.bases(self.table.keys_holding(lacking))

    def _recomputed(self, keys: list[MinuteKey]) -> dict[MinuteKey, MinuteBase]:
        if not keys:
            return {}
        silver = self._spark.table(SILVER.spark_identifier).where(during(key.minute for key in keys))
        minutes = silver_minutes(silver.where(f.col("symbol").isin(sorted({key.symbol for key in keys}))))
        # Left out in Spark: of minutes that are days apart those between are millions.
        symbols, numbers = zip(*keys, strict=True)
        wanted = self._spark.createDataFrame(
            pa.table({"symbol": pa.array(symbols, pa.string()), "minute": pa.array(numbers, pa.int64())})
        )
        records = minutes.join(f.broadcast(wanted), ["symbol", "minute"], "left_semi")
        return {
            MinuteKey(record["symbol"], record["minute"]): minute_base(record)
            for record in records.toArrow().to_pylist()
        }

    def _silver_since(self, since: int | None, until: int) -> DataFrame:
        if since is None:
            return self._spark.read.option("versionAsOf", until).table(SILVER.spark_identifier)
        silver = self._catalog.load_table(SILVER.identifier)
        if since not in (snapshot.snapshot_id for snapshot in lineage(silver, until)):
            raise GoldAheadError(
                f"{GOLD.name} was computed from snapshot {since} of {SILVER.name}, which is none of those that it was "
                "made from: it was rolled back, or a tool expired that one. End the stream, `firehose rebuild gold`"
            )
        return (
            self._spark.read.format("iceberg")
            .option("start-snapshot-id", since)
            .option("end-snapshot-id", until)
            .load(SILVER.spark_identifier)
        )


def hour_spans(minutes_by_hour: Mapping[int, int], most_minutes: int) -> list[range]:
    """Hours -> spans of them, oldest first, each of at most so many minutes where one hour alone is not more. Pure."""
    spans: list[range] = []
    left = 0
    for hour, minutes in sorted(minutes_by_hour.items()):
        if spans and minutes <= left:
            spans[-1] = range(spans[-1].start, hour + 1)
        else:
            spans.append(range(hour, hour + 1))
            left = most_minutes
        left -= minutes
    return spans


def _minutes_by_hour(changed: DataFrame) -> dict[int, int]:
    counted = changed.groupBy(f.expr(f"minute div {MINUTES_PER_HOUR}").alias("hour")).agg(
        f.count_distinct("symbol", "minute").alias("minutes")
    )
    return {record["hour"]: record["minutes"] for record in counted.toArrow().to_pylist()}


def _keys_within(changed: DataFrame, hours: range) -> list[MinuteKey]:
    if not hours:
        return []
    span = range(hours.start * MINUTES_PER_HOUR, hours.stop * MINUTES_PER_HOUR)
    keys = changed.where(during(span)).select("symbol", "minute").distinct()
    return [MinuteKey(record["symbol"], record["minute"]) for record in keys.toArrow().to_pylist()]


def spike_thresholds(settings: Settings) -> SpikeThresholds:
    """The thresholds in force, as numbers."""
    return SpikeThresholds(
        history_minutes=settings.spike_history_minutes,
        min_history=settings.spike_min_history,
        volume_ratio=Decimal(settings.volume_spike_ratio),
        price_ratio=Decimal(settings.price_spike_ratio),
        price_min_move=Decimal(settings.price_spike_min_move),
    )
