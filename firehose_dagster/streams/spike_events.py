"""Spike events: which flags of gold are new, and their rows in `crypto_spikes`."""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.position import SILVER_SNAPSHOT
from firehose_dagster.contracts.spike import SpikeKind, spike_id
from firehose_dagster.contracts.trade_tables import SPIKES
from firehose_dagster.lake.driver_table import DriverTable
from firehose_dagster.lake.row_filters import all_of, any_of, at_least, below
from firehose_dagster.streams.gold_minutes import GoldRow

logger = logging.getLogger(__name__)

_SECONDS_PER_DAY = 86_400


@dataclass(frozen=True, slots=True)
class SpikeEvent:
    """A flag of a gold row, as an event."""

    id: str
    kind: SpikeKind
    score: Decimal
    row: GoldRow


class SpikeEvents:
    """Appends each (symbol, minute, kind) once. Events are written before the gold rows that they announce, so that a
    crash between the two loses none: on the replay the event is known and the gold row is written."""

    def __init__(self, catalog: Catalog, writer: DriverTable) -> None:
        self._catalog = catalog
        self._writer = writer
        self._known: dict[int, set[str]] = {}
        """Ids by day of their minute, counted from the epoch."""

    def append(self, changed: Iterable[GoldRow], newest_received_us: Mapping[str, int], silver_snapshot_id: int) -> int:
        """Write the events of these rows that are not known yet; returns how many."""
        candidates = [event for row in changed for event in _events(row)]
        if not candidates:
            return 0
        self._know({_day(event.row) for event in candidates})
        new = [event for event in candidates if event.id not in self._known[_day(event.row)]]
        if not new:
            return 0
        now = datetime.now(UTC)
        records = [_record(event, newest_received_us, silver_snapshot_id, now) for event in new]
        columns = {name: [record[name] for record in records] for name in SPIKES.column_names}
        self._writer.append(self._writer.arrow(columns), {SILVER_SNAPSHOT: str(silver_snapshot_id)})
        for event in new:
            self._known[_day(event.row)].add(event.id)
            logger.info(
                "spike symbol=%s minute=%s kind=%s score=%s",
                event.row.symbol,
                _minute(event.row),
                event.kind,
                event.score,
            )
        return len(new)

    def _know(self, days: set[int]) -> None:
        unknown = days - self._known.keys()
        if not unknown:
            return
        condition = any_of(
            all_of(at_least("minute", _iso_day(day)), below("minute", _iso_day(day + 1))) for day in sorted(unknown)
        )
        held = self._catalog.load_table(SPIKES.identifier).scan(
            row_filter=condition, selected_fields=("spike_id", "minute")
        )
        for day in unknown:
            self._known[day] = set()
        for record in held.to_arrow().to_pylist():
            self._known[int(record["minute"].timestamp()) // _SECONDS_PER_DAY].add(record["spike_id"])


def _events(row: GoldRow) -> list[SpikeEvent]:
    flags: list[tuple[bool, SpikeKind, Decimal | None]] = [
        (row.features.is_price_spike, "price", row.features.price_spike_score),
        (row.features.is_volume_spike, "volume", row.features.volume_spike_score),
    ]
    # A price that moved after minutes without any range has no finite score.
    return [
        SpikeEvent(spike_id(row.symbol, _minute(row), kind), kind, score if score is not None else Decimal(0), row)
        for is_spike, kind, score in flags
        if is_spike
    ]


def _record(
    event: SpikeEvent, newest_received_us: Mapping[str, int], silver_snapshot_id: int, now: datetime
) -> dict[str, Any]:
    row = event.row
    received_us = newest_received_us.get(row.symbol)
    return {
        "spike_id": event.id,
        "symbol": row.symbol,
        "minute": _minute(row),
        "kind": event.kind,
        "score": event.score,
        "price": row.base.close,
        "vwap": row.features.vwap,
        "volume": row.base.volume,
        "return_1m": row.features.return_1m,
        "is_complete": row.features.is_complete,
        # Where the row was recomputed after a restart, its trades were received before now.
        "received_at": now if received_us is None else from_microseconds(received_us),
        "detected_at": now,
        "silver_snapshot_id": silver_snapshot_id,
    }


def _minute(row: GoldRow) -> datetime:
    return datetime.fromtimestamp(row.base.minute * 60, UTC)


def _day(row: GoldRow) -> int:
    return row.base.minute * 60 // _SECONDS_PER_DAY


def _iso_day(day: int) -> str:
    return datetime.fromtimestamp(day * _SECONDS_PER_DAY, UTC).isoformat()
