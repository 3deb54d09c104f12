"""Tables that are paged from the newest row back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from firehose_dagster.api.conditions import Condition
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.paging import Page, Scope, Window, time_of
from firehose_dagster.api.pinned_tables import Pin


class PagedQuery(Protocol):
    """What is asked for: a range of time, and a page of it."""

    @property
    def start(self) -> datetime | None: ...
    @property
    def end(self) -> datetime | None: ...
    @property
    def limit(self) -> int: ...
    @property
    def cursor(self) -> str | None: ...
    @property
    def scope(self) -> str: ...


@dataclass(frozen=True, slots=True)
class NewestFirst:
    """The order of one table's pages: by a time, which is a bounded column, and within one time by a key."""

    time_column: str
    key_column: str
    step: timedelta
    """From a row's time to the end of what the row is about."""
    span: timedelta
    """How far back a query without a start reaches."""

    def page(
        self,
        reader: LakeReader,
        pin: Pin,
        query: PagedQuery,
        conditions: Sequence[Condition],
        qualify: str = "",
        parameters: Sequence[Any] = (),
    ) -> Page:
        """The rows of the query that meet the conditions; `qualify` is SQL with these parameters, from QUALIFY on.

        Raises CursorError, and what `LakeReader.rows` raises.
        """
        scope = Scope(f"{pin.name}|{query.scope}")
        behind, position = "", list[Any]()
        if query.cursor is None:
            newest: datetime | None = pin.newest(self.time_column)
            held_until = None if newest is None else newest + self.step
            window = Window.of(query.start, query.end, held_until, self.span)
            wanted = [*window.conditions(self.time_column), *conditions]
        else:
            place = scope.place(query.cursor, 2)
            moment, key = time_of(place.position[0]), place.position[1]
            behind, position = f'AND ("{self.time_column}" < ? OR "{self.key_column}" > ?)', [moment, key]
            window = Window(place.since, query.end)
            reached = Condition(self.time_column, "<=", moment)
            wanted = [*window.conditions(self.time_column), reached, *conditions]
        order = f'ORDER BY "{self.time_column}" DESC, "{self.key_column}" LIMIT ?'
        rows = reader.rows(pin, wanted, f"{behind} {qualify} {order}", [*position, *parameters, query.limit + 1])
        return scope.page(rows, query.limit, lambda row: [row[self.time_column], row[self.key_column]], window.start)
