"""Pages by key: a cursor holds the last row's sort key and where its window began, so new rows shift nothing. Pure."""

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
class Place:
    """What a cursor says."""

    position: Sequence[str]
    """The sort key of the row to go on behind."""
    since: datetime | None
    """Where the window of the first page began: one that ends with the newest row would have moved since."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A query without its paging: a cursor is good for the scope it was made in."""

    text: str

    def cursor(self, place: Place) -> str:
        """Opaque text for the place."""
        since = "" if place.since is None else place.since.isoformat()
        content = json.dumps([self._digest, since, *place.position], separators=(",", ":"))
        return base64.urlsafe_b64encode(content.encode()).decode().rstrip("=")

    def place(self, cursor: str, length: int) -> Place:
        """The inverse, for positions of this length. Raises CursorError for any other text."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            content = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        except (binascii.Error, ValueError) as error:
            raise CursorError("is not a next_cursor of this API") from error
        if not isinstance(content, list) or not all(isinstance(part, str) for part in content):
            raise CursorError("is not a next_cursor of this API")
        if len(content) != length + 2 or content[0] != self._digest:
            raise CursorError("was given for other parameters")
        return Place(content[2:], time_of(content[1]) if content[1] else None)

    def page(
        self, rows: list[Row], limit: int, position_of: Callable[[Row], Sequence[str]], since: datetime | None
    ) -> Page:
        """Of at most `limit` + 1 rows read, the page; the row too many says that there is a next one."""
        if len(rows) <= limit:
            return Page(rows, None)
        return Page(rows[:limit], self.cursor(Place(position_of(rows[limit - 1]), since)))

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


def time_of(text: str) -> datetime:
    """The time in a cursor. Raises CursorError."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise CursorError("is not a next_cursor of this API") from error
    if moment.tzinfo is None:
        raise CursorError("is not a next_cursor of this API")
    return moment
