"""Reads what the pulse is computed from, once for a pair of snapshots."""

from collections import OrderedDict, defaultdict
from datetime import datetime, timedelta
from threading import Lock

from firehose_dagster.api.conditions import Condition
from firehose_dagster.api.gold_minutes import MINUTE, GoldMinutes
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.pinned_tables import Pin
from firehose_dagster.api.pulse import SymbolWindow, symbol_pulse
from firehose_dagster.api.shown_columns import Row

_WINDOW = """
symbol, arg_min(open, "minute"), max(high), min(low), arg_max(close, "minute"), sum(volume), sum(quote_volume),
sum(trades)::BIGINT, count(*), count(*) FILTER (NOT is_complete)"""
_FIELDS = (
    *("symbol", "open", "high", "low", "close", "volume", "quote_volume"),
    *("trades", "minutes", "incomplete_minutes"),
)
_KEPT = 64

_Key = tuple[int | None, int | None, int]


class PulseReader:
    """Entries of all symbols; what was computed of the newest snapshots is kept. Safe to use from several threads."""

    def __init__(self, reader: LakeReader, gold: GoldMinutes) -> None:
        self._reader = reader
        self._gold = gold
        self._kept: OrderedDict[_Key, list[Row]] = OrderedDict()
        self._lock = Lock()

    def entries(self, gold: Pin, spikes: Pin, window_minutes: int) -> list[Row]:
        """One entry a symbol, by symbol, without ages. Raises what `LakeReader.rows` raises."""
        key = (gold.snapshot_id, spikes.snapshot_id, window_minutes)
        with self._lock:
            if key in self._kept:
                return self._kept[key]
        entries = self._read(gold, spikes, window_minutes)
        with self._lock:
            self._kept[key] = entries
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return entries

    def _read(self, gold: Pin, spikes: Pin, window_minutes: int) -> list[Row]:
        newest_end = end_of_gold(gold)
        if newest_end is None:
            return []
        since = Condition("minute", ">=", newest_end - timedelta(minutes=window_minutes))
        windows = {
            values[0]: SymbolWindow(**dict(zip(_FIELDS, values, strict=True)))
            for values in self._reader.values(gold, _WINDOW, [since], "GROUP BY symbol")
        }
        events: dict[str, list[Row]] = defaultdict(list)
        # A spike is committed before its gold row, so one behind the window's end is not yet part of this.
        wanted = [since, Condition("minute", "<", newest_end)]
        for event in self._reader.rows(spikes, wanted, 'ORDER BY "minute" DESC, detected_at DESC, spike_id'):
            events[event["symbol"]].append(event)
        return [
            symbol_pulse(latest, windows.get(latest["symbol"]), events[latest["symbol"]])
            for latest in self._gold.latest(gold)
        ]


def end_of_gold(gold: Pin) -> datetime | None:
    """The end of the newest minute held of any symbol."""
    newest: datetime | None = gold.newest("minute")
    return None if newest is None else newest + MINUTE
