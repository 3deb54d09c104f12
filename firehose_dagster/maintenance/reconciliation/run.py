"""One run of a reconciliation: the topic, then hour by hour; what is missing is told in the audit, and published."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

import duckdb
import msgspec
from pyiceberg.catalog import Catalog

from firehose_dagster.binance.gaps import HeldIds
from firehose_dagster.contracts.retirement import to_ranges
from firehose_dagster.contracts.topic import OffsetRange, OutgoingRecord, TopicBounds, TopicRecord
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.reconciliation.counts import LakeCounts, lake_counts
from firehose_dagster.maintenance.reconciliation.holes import find_holes, offsets_to_compare
from firehose_dagster.maintenance.reconciliation.hour import (
    count,
    displaced_of,
    displaced_ranges,
    missing_trades,
    unrejected_texts,
)
from firehose_dagster.maintenance.reconciliation.lake import LoadedLake, judged_hour, load_lake
from firehose_dagster.maintenance.reconciliation.memory import Memory, incident
from firehose_dagster.maintenance.reconciliation.outcome import GONE, Reconciliation
from firehose_dagster.maintenance.reconciliation.plan import days_settled, hours_due, still_settled
from firehose_dagster.maintenance.reconciliation.records import JudgedRecord, Verdict, judged_records
from firehose_dagster.maintenance.reconciliation.topic import Topic

HOURS_PER_RUN = 7 * 24
"""A first run over years is spread over days, and over the pool."""

OnProgress = Callable[[int, int], None]
"""Called with the parts done and all parts: each hour is one, and so is the topic."""


@dataclass
class ReconciliationRun:
    """What one run carries from hour to hour."""

    catalog: Catalog
    topic: Topic
    run_id: str
    over_before: int
    memory: Memory
    stop: threading.Event
    on_progress: OnProgress
    waiting: str | None
    found: Reconciliation = field(init=False)

    def over(self, bounds: TopicBounds) -> tuple[Reconciliation, Memory]:
        """All parts; what was found, and what the next run may know."""
        self.found = Reconciliation(over_before=self.over_before, waiting=self.waiting)
        lake = load_lake(self.catalog)
        if lake.position is None:
            return self.found, self.memory
        counts = lake_counts(lake.bronze, lake.silver, lake.quarantine)
        # First, for it stands on the tables as they are now.
        surplus = self._topic(lake, bounds, counts)
        settled = still_settled(counts, self.memory.settled_days, self.memory.rejected)
        due = hours_due(counts, settled, self.over_before)
        hours: Sequence[int | None] = [None, *due[:HOURS_PER_RUN]]
        self.on_progress(1, len(hours) + 1)
        clean: set[int] = set()
        for place, hour in enumerate(hours):
            if self.stop.is_set():
                break
            is_clean = self._hour(hour)
            if hour is not None:
                self.found = replace(self.found, hours_read=self.found.hours_read + 1)
                clean |= {hour} if is_clean else set()
            self.on_progress(place + 2, len(hours) + 1)
        self.found = replace(self.found, hours_left=len(due) - self.found.hours_read)
        settled = days_settled(counts, settled, self.over_before, clean)
        return self.found, replace(self.memory, settled_days=settled, rejected=counts.rejected, settled_surplus=surplus)

    def _hour(self, hour: int | None) -> bool:
        """Whether nothing is missing in it."""
        lake = load_lake(self.catalog)
        with judged_hour(lake, hour, self.over_before, self.memory.told) as connection:
            missing, unrejected = count(connection, "missing"), count(connection, "unrejected")
            displaced = count(connection, "displaced")
            self.found = replace(
                self.found,
                trades_missing=self.found.trades_missing + missing,
                rejections_missing=self.found.rejections_missing + unrejected,
            )
            if self.waiting is None:
                # Told before it is published: a run that dies between tells nothing twice.
                if displaced:
                    self._tell(connection, hour)
                received_at_us = time.time_ns() // 1_000
                for trades in missing_trades(connection, received_at_us):
                    self._publish([OutgoingRecord(each.symbol.encode(), msgspec.json.encode(each)) for each in trades])
                for texts in unrejected_texts(connection):
                    self._publish(
                        [
                            OutgoingRecord(None if symbol is None else symbol.encode(), raw.encode())
                            for symbol, raw in texts
                        ]
                    )
        return missing == 0 and unrejected == 0 and displaced == 0

    def _tell(self, connection: duckdb.DuckDBPyConnection, hour: int | None) -> None:
        from_silver = displaced_of(connection, silver=True)
        from_quarantine = displaced_of(connection, silver=False)
        lost = displaced_ranges(connection)
        self._record(
            incident(self.run_id, str(hour), from_silver=from_silver, from_quarantine=from_quarantine, lost=lost),
            from_silver + from_quarantine,
        )

    def _tell_of_bronze(self, judged: Sequence[JudgedRecord], place: int) -> int:
        """Tell those that bronze holds again, or will, and that are not told; how many these are."""
        told: dict[int, HeldIds] = defaultdict(HeldIds)
        for ids in self.memory.told_of_bronze:
            told[ids.partition].add_range(ids.first, ids.end - 1)
        lost: dict[int, list[int]] = defaultdict(list)
        for each in judged:
            partition, offset = each.record.partition, each.record.offset
            if each.verdict in (Verdict.WANTED, Verdict.HELD_AGAIN) and offset not in told[partition]:
                lost[partition].append(offset)
        records = sum(len(offsets) for offsets in lost.values())
        if records and self.waiting is None:
            ranges = [
                OffsetRange(partition, first, last + 1)
                for partition, offsets in sorted(lost.items())
                for first, last in to_ranges(offsets)
            ]
            self._record(incident(self.run_id, f"bronze-{place}", lost_of_bronze=ranges), records)
        return records

    def _record(self, told: MaintenanceRecord, records: int) -> None:
        record(self.catalog, told)
        self.memory = replace(self.memory, told_on=self.memory.told_on | {told.started_at.date()})
        self.found = replace(self.found, told_lost=self.found.told_lost + records)

    def _topic(self, lake: LoadedLake, bounds: TopicBounds, counts: LakeCounts) -> int | None:
        """The records that bronze lacks. Where all is well, returns what tells the next run that nothing changed."""
        if lake.bronze_position is None:
            return None
        surplus = sum(lake.bronze_position.offsets.values()) - counts.bronze_rows
        if surplus == self.memory.settled_surplus:
            return surplus
        holes = find_holes(lake, offsets_to_compare(bounds, lake.bronze_position))
        verdicts = dict.fromkeys([*Verdict, GONE], 0)
        records: Iterable[TopicRecord] = self.topic.records(holes) if holes else ()
        untold = 0
        for place, judged in enumerate(judged_records(lake, records, self.over_before)):
            for each in judged:
                verdicts[each.verdict] += 1
            untold += self._tell_of_bronze(judged, place)
            if self.waiting is None:
                self._publish(
                    [
                        OutgoingRecord(each.record.key, each.record.value)
                        for each in judged
                        if each.verdict is Verdict.WANTED
                    ]
                )
        absent = sum(each.end - each.first for each in holes)
        verdicts[GONE] = 0 if self.stop.is_set() else absent - sum(verdicts.values())
        self.found = replace(self.found, holes={name: number for name, number in verdicts.items() if number})
        unsettled = untold + verdicts[Verdict.WANTED] + verdicts[Verdict.OPEN] + verdicts[GONE]
        return None if unsettled or self.stop.is_set() else surplus

    def _publish(self, records: Sequence[OutgoingRecord]) -> None:
        if not records:
            return
        confirmed = self.topic.publish(records)
        self.found = replace(
            self.found,
            published=self.found.published + confirmed,
            unconfirmed=self.found.unconfirmed + len(records) - confirmed,
        )
        if confirmed < len(records):
            self.waiting = self.waiting or "Kafka did not confirm what was published"
