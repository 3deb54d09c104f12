"""A hole in a symbol's ids while it is healed: which page to ask for next, and what each answer settles. Pure."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from firehose_dagster.binance.gaps import HeldIds, IdRange
from firehose_dagster.binance.heal_plan import AbsentIds, take_page
from firehose_dagster.gateway.backoff import backoff_seconds

CONFIRM_SECONDS = 5.0
"""Ids that an answer left out are asked for once more after this time, before they are called absent for good."""
EMPTY_PAGE_TRIES = 12
"""So many answers in a row that prove nothing (some five minutes): then the hole is called unresolved."""
UNRESOLVED_SECONDS = 600.0
"""And is tried this often."""


@dataclass(eq=False)
class Hole:
    """Ids of one symbol to fetch. Not safe for threads; times are of one monotonic clock."""

    number: int
    symbol: str
    ids: IdRange
    paused_until: float = 0.0
    is_forced: bool = False
    """Whoever asks knows that the ids are missing, whatever this gateway believes to hold."""
    on_settled: Callable[[int], None] | None = None
    """Called once, with the number of ids that were fetched, when nothing is left or the hole is given up."""
    fetched: int = 0
    fruitless: int = 0
    _rest: IdRange | None = None
    _in_flight: int = 0
    _newest_first: bool = True
    _settled: HeldIds = field(default_factory=HeldIds)
    _suspected: HeldIds = field(default_factory=HeldIds)
    _waits: Iterator[float] = field(default_factory=backoff_seconds)
    _unreachable: IdRange | None = None
    _parked_until: float | None = None

    def __post_init__(self) -> None:
        self._rest = self.ids

    def is_ready(self, now: float) -> bool:
        """Whether a page may be asked for."""
        is_due = self._parked_until is not None and self._parked_until <= now
        return (self._rest is not None or is_due) and self.paused_until <= now

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to ask for."""
        return self._rest is None and not self._in_flight and self._parked_until is None

    @property
    def is_given_up(self) -> bool:
        """Whether all that is left is what the exchange does not give, and somebody else asked, who asks again by
        itself. A hole of the gateway's own, which nobody else knows of, is tried for ever."""
        is_parked = self._rest is None and self._parked_until is not None
        return self.is_forced and not self._in_flight and (self.is_unresolved or is_parked)

    @property
    def is_unresolved(self) -> bool:
        """Whether the exchange was asked for long, and gave nothing."""
        return self.fruitless >= EMPTY_PAGE_TRIES

    @property
    def unresolved(self) -> IdRange | None:
        """Where the ids lie that the exchange does not give and that are not known to be absent."""
        return self.ids if self.is_unresolved else self._unreachable

    @property
    def next_page(self) -> IdRange:
        """What `take_page` would give. Only when ready."""
        page, _ = take_page(self._left(), newest_first=self._newest_first)
        return page

    def take_page(self) -> IdRange:
        """The next page; it is given back by `finish_page`. Only when ready."""
        left = self._left()
        if self._rest is None:
            self._parked_until = None
        page, self._rest = take_page(left, newest_first=self._newest_first)
        self._in_flight += 1
        return page

    def _left(self) -> IdRange:
        left = self._unreachable if self._rest is None and self._parked_until is not None else self._rest
        if left is None:
            raise ValueError("no page is left")
        return left

    def missing(self, page: IdRange, not_held: Sequence[IdRange]) -> list[IdRange]:
        """What of the page to fetch, where `not_held` is what the gateway itself does not hold of it."""
        return self._settled.missing(page.first, page.last) if self.is_forced else list(not_held)

    def settle(self, ids: Sequence[int]) -> None:
        """Kafka confirmed these ids."""
        self.fetched += len(ids)
        if self.is_forced:
            for agg_id in ids:
                self._settled.add(agg_id)

    def confirm_absent(self, absent: Sequence[AbsentIds]) -> tuple[list[AbsentIds], bool]:
        """Of ids that an answer left out those that one before it left out too, and whether others are new."""
        confirmed: list[AbsentIds] = []
        has_new = False
        for each in absent:
            position = each.ids.first
            for new in self._suspected.missing(each.ids.first, each.ids.last):
                if new.first > position:
                    confirmed.append(AbsentIds(IdRange(position, new.first - 1), each.next_id))
                position = new.last + 1
                has_new = True
                self._suspected.add_range(new.first, new.last)
            if position <= each.ids.last:
                confirmed.append(AbsentIds(IdRange(position, each.ids.last), each.next_id))
        if self.is_forced:
            for each in confirmed:
                self._settled.add_range(each.ids.first, each.ids.last)
        return confirmed, has_new

    def is_suspected(self, agg_id: int) -> bool:
        """Whether an answer left the id out already: the next one must tell whether that proves anything."""
        return agg_id in self._suspected

    def suspect(self, unproven: Sequence[AbsentIds]) -> bool:
        """Note ids behind which an answer began; whether some of them are new. They stay unresolved until an answer
        holds an id below them."""
        has_new = any(self._suspected.missing(each.ids.first, each.ids.last) for each in unproven)
        for each in unproven:
            self._suspected.add_range(each.ids.first, each.ids.last)
        return has_new

    def park(self, oldest: int, now: float) -> bool:
        """REST has nothing before `oldest`: what is older, of what is left, is asked for again after
        UNRESOLVED_SECONDS, and the rest goes on. Says whether that is news."""
        rest = self._rest
        if rest is None or rest.first >= oldest:
            return False
        parked = IdRange(rest.first, min(oldest - 1, rest.last))
        self._rest = IdRange(oldest, rest.last) if oldest <= rest.last else None
        before = self._unreachable
        if before is not None and self._parked_until is not None:
            parked = IdRange(min(before.first, parked.first), max(before.last, parked.last))
        self._unreachable, self._parked_until = parked, now + UNRESOLVED_SECONDS
        return before is None or before.last != parked.last

    def finish_page(self) -> None:
        """The page is settled."""
        self._in_flight -= 1
        self._note_progress()

    def give_back(self, page: IdRange, now: float, seconds: float) -> None:
        """Something of the page is open: it is asked for again, not before so many seconds have passed.

        What lies between it and what was not asked for yet is settled, or on its way as another page.
        """
        self._in_flight -= 1
        rest = self._rest
        self._rest = page if rest is None else IdRange(min(rest.first, page.first), max(rest.last, page.last))
        self.paused_until = max(self.paused_until, now + seconds)

    def give_back_fruitless(self, page: IdRange, now: float) -> None:
        """The answer proved nothing: go on from the oldest id, for the newest may be none that exists."""
        self._newest_first = False
        self.fruitless += 1
        self.give_back(page, now, UNRESOLVED_SECONDS if self.is_unresolved else next(self._waits))

    def _note_progress(self) -> None:
        self.fruitless = 0
        self._waits = backoff_seconds()
