"""The REST weight of one address: what may still be asked in this minute, and when to come back. Pure.

The exchange counts by calendar minute and says in each answer what the address, all its programs together, has used.
"""

from firehose_dagster.binance.limits import BANNED_STATUS, FORBIDDEN_STATUS, RATE_LIMITED_STATUS

MINUTE_SECONDS = 60
RATE_LIMITED_SECONDS = 60.0
BANNED_SECONDS = 120.0
"""The shortest ban. Each is the wait where the answer has no `Retry-After`."""
FORBIDDEN_SECONDS = 300.0
"""403 comes from the firewall before the exchange; nothing says when it ends."""

_WAITS = {
    RATE_LIMITED_STATUS: RATE_LIMITED_SECONDS,
    BANNED_STATUS: BANNED_SECONDS,
    FORBIDDEN_STATUS: FORBIDDEN_SECONDS,
}


class WeightBudget:
    """What this address may use: at most `per_minute` of weight in a calendar minute. Not safe for threads.

    `now` is in epoch seconds, for the exchange counts by calendar minute; `steady` is of a monotonic clock, for a wait
    that was asked for is no shorter because somebody set the other one. Weight is counted when it is asked for, and
    corrected upward by what the answers say.
    """

    def __init__(self, per_minute: int) -> None:
        self._per_minute = per_minute
        self._minute = -1
        self._used = 0
        self._blocked_until = float("-inf")
        self.highest_used = 0
        """The most that was used in a minute, by the exchange's account or ours."""

    def wait_seconds(self, now: float, weight: int, *, steady: float) -> float:
        """How long to wait before a request of this weight; 0 when it may go now, and then it counts as sent."""
        self._turn(now)
        if steady < self._blocked_until:
            return self._blocked_until - steady
        # A single request heavier than the budget goes alone in its minute, or it would wait for ever.
        if self._used and self._used + weight > self._per_minute:
            return (self._minute + 1) * MINUTE_SECONDS - now
        self._count(self._used + weight)
        return 0.0

    def note_used(self, now: float, used_weight: int) -> None:
        """The exchange's own account, from the header of an answer."""
        self._turn(now)
        # A lower figure is of before the requests that are still on their way, or of the exchange's next minute.
        self._count(max(self._used, used_weight))

    def note_status(self, status: int, retry_after_seconds: float | None, *, steady: float) -> float | None:
        """Obey an answer's status: how long nothing may be asked, None where the status is no limit's."""
        if status not in _WAITS:
            return None
        seconds = retry_after_seconds if retry_after_seconds is not None else _WAITS[status]
        self._blocked_until = max(self._blocked_until, steady + seconds)
        return seconds

    def _turn(self, now: float) -> None:
        minute = int(now // MINUTE_SECONDS)
        if minute > self._minute:
            self._used = 0
        # Back is where the clock was set; what was used stays used until the minute ends.
        self._minute = minute

    def _count(self, used: int) -> None:
        self._used = used
        self.highest_used = max(self.highest_used, used)
