"""Gold rows of one symbol as the JSON text that answers carry, encoded by DuckDB; files that are asked again are kept.

A day of one symbol is rows of 24 files, each with the minutes of all symbols: to decode those for every answer is what
a range would cost. A file is kept from its second use on, for the open hour's is another one after every commit.
"""

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import cast

import pyarrow as pa

from firehose_dagster.api.conditions import Condition, DataFile, pruned
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.paging import Window
from firehose_dagster.api.per_file_cache import PerFileCache
from firehose_dagster.api.pinned_tables import Pin
from firehose_dagster.api.shown_columns import json_row
from firehose_dagster.contracts.instants import to_microseconds
from firehose_dagster.contracts.trade_tables import GOLD

_SELECT = f"epoch_us(minute), {json_row(GOLD)}"
_KEPT_BYTES = 512_000_000
_FILES_REMEMBERED = 10_000
_FILES_AT_ONCE = 32
# A file without bounds may hold anything: it is read before all others.
_EARLIEST_US, _LATEST_US = -(2**63), 2**63

MinuteRow = tuple[int, str]
"""Start of the minute in epoch microseconds, and the row as a JSON object."""


@dataclass(frozen=True, slots=True)
class FileRows:
    """All rows of one file in the order of symbol and minute, and where each symbol's are."""

    minutes: pa.ChunkedArray
    rows: pa.ChunkedArray
    places: Mapping[str, tuple[int, int]]

    def within(self, symbol: str, since_us: int | None, until_us: int | None) -> Iterator[MinuteRow]:
        """The symbol's rows from `since_us` up to before `until_us`."""
        offset, length = self.places.get(symbol, (0, 0))
        minutes = self.minutes.slice(offset, length).to_pylist()
        first = 0 if since_us is None else bisect_left(minutes, since_us)
        last = length if until_us is None else bisect_left(minutes, until_us)
        return zip(minutes[first:last], self.rows.slice(offset + first, max(0, last - first)).to_pylist(), strict=True)


class MinuteRows:
    """Raises what `LakeReader.values` raises. Safe to use from several threads."""

    def __init__(self, reader: LakeReader, kept_bytes: int = _KEPT_BYTES) -> None:
        self._reader = reader
        self._kept: PerFileCache[FileRows] = PerFileCache(
            kept_bytes, lambda each: each.minutes.nbytes + each.rows.nbytes
        )
        self._used: PerFileCache[bool] = PerFileCache(_FILES_REMEMBERED)

    def read(self, pin: Pin, symbol: str, window: Window, *, descending: bool, limit: int) -> list[MinuteRow]:
        """The first `limit` rows of the symbol within the window, from the end asked for; no more files than needed."""
        conditions = [Condition("symbol", "=", symbol), *window.conditions("minute")]
        if pin.snapshot_files.has_row_deletes:
            rows = cast(list[MinuteRow], self._reader.values(pin, _SELECT, conditions))
            return sorted(rows, reverse=descending)[:limit]
        files = sorted(pruned(pin.files, conditions), key=_last_us if descending else _first_us, reverse=descending)
        found: list[MinuteRow] = []
        for start in range(0, len(files), _FILES_AT_ONCE):
            if start and _are_enough(found, limit, files[start], descending=descending):
                break
            found += self._of_files(pin, files[start : start + _FILES_AT_ONCE], symbol, window)
        return sorted(found, reverse=descending)[:limit]

    def _of_files(self, pin: Pin, files: Sequence[DataFile], symbol: str, window: Window) -> list[MinuteRow]:
        since_us, until_us = (None if each is None else to_microseconds(each) for each in (window.start, window.end))
        found: list[MinuteRow] = []
        once: list[DataFile] = []
        for file in files:
            if self._used.peek(file.location) is None:
                self._used.get(file.location, lambda: True)
                once.append(file)
            else:
                rows = self._kept.get(file.location, partial(self._decoded, pin, file))
                found += rows.within(symbol, since_us, until_us)
        conditions = [Condition("symbol", "=", symbol), *window.conditions("minute")]
        return found + cast(list[MinuteRow], self._reader.values(pin, _SELECT, conditions, files=once))

    def _decoded(self, pin: Pin, file: DataFile) -> FileRows:
        select = f"symbol, epoch_us(minute) AS minute_us, {json_row(GOLD)} AS json"
        table = self._reader.table_of_file(pin, file, select, "ORDER BY symbol, minute")
        places: dict[str, tuple[int, int]] = {}
        offset = 0
        for symbol, count in _runs(table["symbol"]):
            places[symbol] = (offset, count)
            offset += count
        return FileRows(table["minute_us"], table["json"], places)


def _runs(symbols: pa.ChunkedArray) -> Iterator[tuple[str, int]]:
    """Each symbol of a sorted column, and how many rows it has."""
    counts = pa.table({"symbol": symbols}).group_by("symbol").aggregate([([], "count_all")]).sort_by("symbol")
    return zip(counts["symbol"].to_pylist(), counts["count_all"].to_pylist(), strict=True)


def _first_us(file: DataFile) -> int:
    return to_microseconds(file.bounds["minute"][0]) if "minute" in file.bounds else _EARLIEST_US


def _last_us(file: DataFile) -> int:
    return to_microseconds(file.bounds["minute"][1]) if "minute" in file.bounds else _LATEST_US


def _are_enough(found: list[MinuteRow], limit: int, next_file: DataFile, *, descending: bool) -> bool:
    """Whether no row of the files to come can be among the first `limit`."""
    if descending:
        border = _last_us(next_file)
        return sum(minute > border for minute, _ in found) >= limit
    border = _first_us(next_file)
    return sum(minute < border for minute, _ in found) >= limit
