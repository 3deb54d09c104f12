"""Pages by key: a cursor holds the last row's sort key, so rows that come meanwhile shift nothing. Pure."""

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from firehose_dagster.api.conditions import Condition
from firehose_dagster.api.shown_columns import Row


class CursorError(ValueError):
    """The text is no cursor of this query."""


@dataclass(frozen=True, slots=True)
class Page:
    """Rows of one answer and where the next one goes on."""

    rows: Sequence[Any]
    """Each as a mapping, or encoded already."""
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class Scope:
    """A query without its paging: a cursor is good for the scope it was made in."""

    text: str

    def cursor(self, position: Sequence[str]) -> str:
        """Opaque text for the position of a row."""
        content = json.dumps([self._digest, *position], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    def position(self, cursor: str, length: int) -> list[str]:
        """The inverse. Raises CursorError for any other text."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError) as error:
            raise CursorError("is not a next_cursor of this API") from error
        if not isinstance(content, list) or not all(isinstance(part, str) for part in content):
            raise CursorError("is not a next_cursor of this API")
        if len(content) != length + 1 or content[0] != self._digest:
            raise CursorError("was given for other parameters")
        return content[1:]

    def page(self, rows: list[Row], limit: int, position_of: Callable[[Row], Sequence[str]]) -> Page:
        """Of at most `limit` + 1 rows read, the page; the row too many says that there is a next one."""
        if len(rows) <= limit:
            return Page(rows, None)
        return Page(rows[:limit], self.cursor(position_of(rows[limit - 1])))

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Window:
    """Times asked for; `start` is included, `end` is not, None: without that bound."""

    start: datetime | None
    end: datetime | None

    @classmethod
    def of(cls, start: datetime | None, end: datetime | None, held_until: datetime | None, span: timedelta) -> "Window":
        """As asked; where no start was given, the `span` before the end, or before the end of what is held."""
        if start is not None or held_until is None:
            return cls(start, end)
        last = held_until if end is None else min(end, held_until)
        return cls(last - span, end) if last.timestamp() > span.total_seconds() else cls(None, end)

    def behind(self, moment: datetime, *, descending: bool) -> "Window":
        """What of it comes after the row of this time, in the order of paging."""
        if descending:
            return Window(self.start, moment if self.end is None else min(moment, self.end))
        after = moment + timedelta(microseconds=1)
        return Window(after if self.start is None else max(after, self.start), self.end)

    def conditions(self, column: str) -> list[Condition]:
        """The bounds as conditions on a time column."""
        lower = [] if self.start is None else [Condition(column, ">=", self.start)]
        upper = [] if self.end is None else [Condition(column, "<", self.end)]
        return [*lower, *upper]


def newest_first(time_column: str, key_column: str) -> str:
    """ORDER BY for tables that are paged from the newest row back; within one time by key."""
    return f'ORDER BY "{time_column}" DESC, "{key_column}" LIMIT ?'


def behind(time_column: str, key_column: str, position: Sequence[str]) -> tuple[str, list[Any], list[Condition]]:
    """What lies behind a position in that order: SQL, its parameters, and the condition that prunes files.

    Raises CursorError where the position holds no time.
    """
    moment = time_of(position[0])
    sql = f'AND ("{time_column}" < ? OR "{key_column}" > ?)'
    return sql, [moment, position[1]], [Condition(time_column, "<=", moment)]


def time_of(text: str) -> datetime:
    """The time in a cursor. Raises CursorError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CursorError("is not a next_cursor of this API") from error
    if moment.tzinfo is None:
        raise CursorError("is not a next_cursor of this API")
    return moment
