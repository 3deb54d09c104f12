"""Spike events, with the line of text that their webhook carries, and one spike with all that surrounds it."""

from dataclasses import fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from firehose_dagster.alerts.message import Spike, text
from firehose_dagster.api.conditions import Condition
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.newest_first import NewestFirst
from firehose_dagster.api.paging import Page
from firehose_dagster.api.parameters import SpikesParameters
from firehose_dagster.api.pinned_tables import Pin
from firehose_dagster.api.shown_columns import Row
from firehose_dagster.contracts.columns import Decimal as DecimalType
from firehose_dagster.contracts.columns import Scalar
from firehose_dagster.contracts.trade_tables import SPIKES

_EVENTS = NewestFirst("minute", "spike_id", step=timedelta(minutes=1), span=timedelta(days=7))
_DELIVERY_COLUMNS = ("attempt", "outcome", "http_status", "detail", "attempted_at", "duration_ms", "run_id")
_TYPES = {column.name: column.type for column in SPIKES.columns}


class SpikeEvents:
    """Reads `crypto_spikes` and `ops_deliveries`. Every method raises what `LakeReader.rows` raises."""

    def __init__(self, reader: LakeReader) -> None:
        self._reader = reader

    def page(self, pin: Pin, query: SpikesParameters) -> Page:
        """A page of events, newest first. Raises CursorError."""
        conditions = [Condition("symbol", "in", query.symbol_list)] if query.symbols else []
        if query.kind is not None:
            conditions.append(Condition("kind", "=", query.kind))
        page = _EVENTS.page(self._reader, pin, query, conditions)
        return Page([_with_text(row) for row in page.rows], page.next_cursor)

    def one(self, pin: Pin, spike_id: str) -> Row | None:
        """The event of this id."""
        rows = self._reader.rows(pin, [Condition("spike_id", "=", spike_id)], "LIMIT 1")
        return _with_text(rows[0]) if rows else None

    def deliveries(self, pin: Pin, spike_id: str) -> list[Row]:
        """What was tried and answered, in order."""
        rows = self._reader.rows(pin, [Condition("spike_id", "=", spike_id)], "ORDER BY attempt, attempted_at")
        return [{name: row[name] for name in _DELIVERY_COLUMNS} for row in rows]


def _with_text(row: Row) -> Row:
    return row | {"text": text(Spike(**{each.name: _value(each.name, row[each.name]) for each in fields(Spike)}))}


def _value(name: str, shown: Any) -> Any:
    """The value that a shown column stands for."""
    if shown is None:
        return None
    type_ = _TYPES[name]
    if isinstance(type_, DecimalType):
        return Decimal(shown)
    return datetime.fromisoformat(shown) if type_ is Scalar.TIMESTAMP else shown
