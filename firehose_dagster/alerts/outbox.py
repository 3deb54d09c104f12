"""Which spikes are due for delivery, from what is recorded of them: a pure function of spikes, deliveries and time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from firehose_dagster.alerts.delivery import Delivery, SpikeKey, by_spike

BACKOFF: tuple[timedelta, ...] = (
    timedelta(seconds=5),
    timedelta(seconds=30),
    timedelta(minutes=2),
    timedelta(minutes=10),
    timedelta(minutes=30),
    timedelta(hours=2),
)
"""Wait after the first, second, ... attempt; after one more the spike is dead."""

_RECEIVED = frozenset({"delivered", "acknowledged"})
"""For ever: not even a replay sends these again."""
_SETTLED = frozenset({"expired", "dead"})
_TRIED = frozenset({"failed", "unknown"})


@dataclass(frozen=True, slots=True)
class Attempt:
    """One post that is due. `number` counts the spike's rows in `ops_deliveries` from 1."""

    key: SpikeKey
    number: int
    is_last: bool
    """Where it fails, the spike is dead."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do now, and when to look again if nothing new comes."""

    attempts: tuple[Attempt, ...]
    """In the order of minutes; a symbol's later one is only for after its earlier one."""
    expired: tuple[SpikeKey, ...]
    """Never attempted and too old: to be recorded, not posted."""
    next_attempt_at: datetime | None
    """When the earliest waiting spike is due; None where none waits."""


def plan(
    spikes: Iterable[SpikeKey],
    deliveries: Iterable[Delivery],
    now: datetime,
    max_age: timedelta,
    backoff: Sequence[timedelta] = BACKOFF,
) -> Plan:
    """Plan deliveries at `now`. Spikes known only from their deliveries count as well.

    Guaranteed: a delivered or acknowledged spike is never attempted again; none is attempted before its backoff has
    passed; within a symbol a spike waits for every earlier one that is not settled: neither delivered nor acknowledged,
    expired nor dead; a spike whose minute began more than `max_age` ago and was never attempted is expired, unless a
    person replays it.
    """
    histories = by_spike(deliveries)
    keys = {history[0].key for history in histories.values()} | set(spikes)
    attempts: list[Attempt] = []
    expired: list[SpikeKey] = []
    waiting: dict[str, datetime] = {}
    for key in sorted(keys, key=lambda each: each.position):
        history = histories.get(key.spike_id, [])
        if _is_settled(history):
            continue
        if not history and now - key.minute > max_age:
            expired.append(key)
            continue
        if key.symbol in waiting:
            continue
        tries = len(_tries(history))
        due_at = _due_at(history, now, backoff)
        if due_at is not None:
            waiting[key.symbol] = due_at
            continue
        attempts.append(Attempt(key, _next_number(history), is_last=tries >= len(backoff)))
    return Plan(tuple(attempts), tuple(expired), min(waiting.values(), default=None))


def expiry(key: SpikeKey, now: datetime, run_id: str) -> Delivery:
    """The row that says a spike was too old to be posted."""
    return Delivery(
        key, 1, "expired", None, "older than FIREHOSE_ALERT_MAX_AGE_MINUTES when first seen", now, 0, run_id
    )


def replays(spike_ids: Iterable[str], deliveries: Iterable[Delivery], now: datetime, run_id: str) -> list[Delivery]:
    """The rows that make spikes due at once, with a full backoff before them, as if they were never tried.

    Meant for dead and expired spikes, and allowed for any that is not delivered. Raises ValueError naming every spike
    that has no row in `ops_deliveries` or is delivered already; then no row is made.
    """
    histories = by_spike(deliveries)
    rows: list[Delivery] = []
    refused: list[str] = []
    for spike_id in dict.fromkeys(spike_ids):
        history = histories.get(spike_id, [])
        if not history:
            refused.append(f"{spike_id} was never attempted nor expired")
        elif any(row.outcome in _RECEIVED for row in history):
            refused.append(f"{spike_id} is delivered")
        else:
            rows.append(
                Delivery(history[0].key, _next_number(history), "replay", None, "asked for again", now, 0, run_id)
            )
    if refused:
        raise ValueError(f"cannot be replayed: {'; '.join(refused)}")
    return rows


def _since_replay(history: Sequence[Delivery]) -> Sequence[Delivery]:
    asked = [position for position, row in enumerate(history) if row.outcome == "replay"]
    return history[asked[-1] + 1 :] if asked else history


def _is_settled(history: Sequence[Delivery]) -> bool:
    return any(row.outcome in _RECEIVED for row in history) or any(
        row.outcome in _SETTLED for row in _since_replay(history)
    )


def _tries(history: Sequence[Delivery]) -> Sequence[Delivery]:
    return [row for row in _since_replay(history) if row.outcome in _TRIED]


def _next_number(history: Sequence[Delivery]) -> int:
    return max((row.attempt for row in history), default=0) + 1


def _due_at(history: Sequence[Delivery], now: datetime, backoff: Sequence[timedelta]) -> datetime | None:
    """When the next attempt may be made; None: now. One made in the future was so before the clock was set back."""
    tries = _tries(history)
    if not tries or not backoff or tries[-1].attempted_at > now:
        return None
    ended_at = tries[-1].attempted_at + timedelta(milliseconds=tries[-1].duration_ms)
    due_at = ended_at + backoff[min(len(tries), len(backoff)) - 1]
    return due_at if due_at > now else None
