"""Gold by symbol: the newest minute of each, and the minutes of one over a range."""

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec

from firehose_dagster.api.conditions import Condition, DataFile
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.minute_rows import MinuteRows
from firehose_dagster.api.paging import Page, Place, Scope, Window, time_of
from firehose_dagster.api.per_file_cache import PerFileCache
from firehose_dagster.api.pinned_tables import Pin
from firehose_dagster.api.shown_columns import Row, instant, shown
from firehose_dagster.contracts.instants import from_microseconds
from firehose_dagster.contracts.trade_tables import GOLD

MINUTE = timedelta(minutes=1)
LATEST_LOOKBACK = timedelta(hours=24)
"""A symbol without a trade for longer than this before the newest minute held is not listed."""
MINUTES_SPAN = timedelta(hours=24)

_SHOWN = ", ".join(shown(column) for column in GOLD.columns)
_NEWEST_OF_SYMBOL = 'QUALIFY row_number() OVER (PARTITION BY symbol ORDER BY "minute" DESC) = 1'
_FILES_KEPT = 5_000


class GoldMinutes:
    """Reads `crypto_gold_minute`. Every method raises what `LakeReader.rows` raises."""

    def __init__(self, reader: LakeReader) -> None:
        self._reader = reader
        self._rows = MinuteRows(reader)
        self._newest_by_file: PerFileCache[list[Row]] = PerFileCache(_FILES_KEPT)

    def latest(self, pin: Pin, symbols: Collection[str] = ()) -> list[Row]:
        """The newest minute of each symbol (of `symbols`, where given) that traded within the look-back, by symbol."""
        newest = pin.newest("minute")
        if newest is None:
            return []
        since = Condition("minute", ">", newest - LATEST_LOOKBACK)
        if pin.snapshot_files.has_row_deletes:
            candidates = self._reader.rows(pin, [since], _NEWEST_OF_SYMBOL)
        else:
            candidates = [row for file in pin.files if since.may_hold(file) for row in self._newest_of(pin, file)]
        # Times as shown have all their digits, so their text sorts as they do.
        oldest = since.value.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        rows: dict[str, Row] = {}
        for row in candidates:
            held = rows.get(row["symbol"])
            if row["minute"] > oldest and (held is None or row["minute"] > held["minute"]):
                rows[row["symbol"]] = row
        return [rows[symbol] for symbol in sorted(rows) if not symbols or symbol in symbols]

    def of_symbol(
        self,
        pin: Pin,
        symbol: str,
        start: datetime | None,
        end: datetime | None,
        *,
        descending: bool = False,
        limit: int = 1_440,
        cursor: str | None = None,
    ) -> Page:
        """A page of one symbol's minutes, each row encoded as JSON. Raises CursorError."""
        scope = Scope(f"minutes|{symbol}|{start}|{end}|{descending}")
        if cursor is None:
            held_until = None if start is not None else self._held_until(pin, symbol, end)
            whole = left = Window.of(start, end, held_until, MINUTES_SPAN)
        else:
            place = scope.place(cursor, 1)
            whole = Window(place.since, end)
            left = whole.behind(time_of(place.position[0]), descending=descending)
        rows = self._rows.read(pin, symbol, left, descending=descending, limit=limit + 1)
        encoded = [msgspec.Raw(row.encode()) for _, row in rows[:limit]]
        if len(rows) <= limit:
            return Page(encoded, None)
        last = instant(from_microseconds(rows[limit - 1][0]))
        return Page(encoded, scope.cursor(Place([last], whole.start)))

    def _held_until(self, pin: Pin, symbol: str, end: datetime | None) -> datetime | None:
        """The end of the symbol's newest minute that begins before `end`."""
        conditions = [Condition("symbol", "=", symbol)]
        if end is not None:
            conditions.append(Condition("minute", "<", end))
        else:
            for row in self.latest(pin, (symbol,)):
                return datetime.fromisoformat(row["minute"]) + MINUTE
        newest = self._reader.values(pin, 'max("minute")', conditions, "GROUP BY symbol")
        return newest[0][0] + MINUTE if newest else None

    def _newest_of(self, pin: Pin, file: DataFile) -> list[Row]:
        def read() -> list[Row]:
            values = self._reader.values_of_file(pin, file, _SHOWN, _NEWEST_OF_SYMBOL)
            return [dict(zip(GOLD.column_names, row, strict=True)) for row in values]

        return self._newest_by_file.get(file.location, read)
