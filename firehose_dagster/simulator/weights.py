"""The REST budget of each address, counted over calendar minutes like the exchange's, and what going over it costs."""

from collections.abc import Callable
from dataclasses import dataclass

from firehose_dagster.simulator.violations import Violations

LIMITED, BANNED = 429, 418
_US_PER_SECOND = 1_000_000


@dataclass(frozen=True, slots=True)
class Admission:
    """Whether a request is answered."""

    used: int
    """Weight of this minute, the request included."""
    refused_status: int | None = None
    """LIMITED or BANNED; None: it is answered."""
    retry_after_seconds: int = 0


@dataclass(slots=True)
class _Address:
    used: int = 0
    refused_status: int = LIMITED
    refused_from_us: int = 0
    refused_until_us: int = 0
    ignored: int = 0
    bans: int = 0


class Weights:
    """Weight used by each address in the current minute.

    Over the budget: LIMITED until the minute ends. More than `tolerated` requests in that time: BANNED for
    `ban_seconds`, and for twice as long each next time. Those of the first `in_flight_seconds` are refused but not
    held against the client: they were on their way.
    """

    def __init__(
        self,
        per_minute: int,
        now_us: Callable[[], int],
        violations: Violations,
        *,
        tolerated: int = 10,
        ban_seconds: float = 120.0,
        in_flight_seconds: float = 0.5,
    ) -> None:
        self._per_minute = per_minute
        self._now_us = now_us
        self._violations = violations
        self._tolerated = tolerated
        self._ban_seconds = ban_seconds
        self._in_flight_us = round(in_flight_seconds * _US_PER_SECOND)
        self._minute = -1
        self._addresses: dict[str, _Address] = {}
        self.requests = 0
        self.highest = 0
        """Most weight that an address used in a minute so far."""

    def admit(self, address: str, weight: int) -> Admission:
        """Count a request, and say whether it is answered."""
        now_us = self._now_us()
        self._turn_minute(now_us)
        held = self._addresses.setdefault(address, _Address())
        self.requests += 1
        held.used += weight
        self.highest = max(self.highest, held.used)
        if now_us < held.refused_until_us:
            self._note_ignored(held, now_us)
        elif held.used > self._per_minute:
            self._violations.weight_exceeded += 1
            self._refuse(held, LIMITED, now_us, (now_us // 60_000_000 + 1) * 60_000_000)
        else:
            return Admission(held.used)
        seconds = -(-(held.refused_until_us - now_us) // _US_PER_SECOND)
        return Admission(held.used, held.refused_status, max(1, seconds))

    def refuse(self, address: str, status: int, seconds: float) -> None:
        """Have the address refused with LIMITED or BANNED for so long, as if it had gone over its budget."""
        held = self._addresses.setdefault(address, _Address())
        now_us = self._now_us()
        self._refuse(held, status, now_us, now_us + round(seconds * _US_PER_SECOND))

    def _turn_minute(self, now_us: int) -> None:
        minute = now_us // 60_000_000
        if minute != self._minute:
            self._minute = minute
            for held in self._addresses.values():
                held.used = 0

    def _note_ignored(self, held: _Address, now_us: int) -> None:
        if now_us < held.refused_from_us + self._in_flight_us:
            return
        self._violations.asked_while_limited += 1
        held.ignored += 1
        if held.ignored > self._tolerated:
            self._violations.bans += 1
            ban_us = round(self._ban_seconds * 2**held.bans * _US_PER_SECOND)
            self._refuse(held, BANNED, now_us, now_us + ban_us)
            held.bans += 1

    @staticmethod
    def _refuse(held: _Address, status: int, from_us: int, until_us: int) -> None:
        held.refused_status, held.refused_from_us, held.refused_until_us = status, from_us, until_us
        held.ignored = 0
