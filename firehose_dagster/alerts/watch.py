"""What the sensor remembers between two looks, so that a look at which nothing changed reads no data."""

import hashlib
from collections.abc import Iterable
from datetime import datetime

import msgspec

from firehose_dagster.alerts.ledger import LedgerPosition
from firehose_dagster.alerts.outbox import Attempt


class Cursor(msgspec.Struct, frozen=True, kw_only=True):
    """Snapshots that were planned from, and when something planned then is due; kept as JSON by the sensor."""

    spikes_snapshot_id: int | None
    deliveries_snapshot_id: int | None
    due_at: datetime | None
    looked_at: datetime | None = None

    @classmethod
    def at(cls, position: LedgerPosition, due_at: datetime | None, looked_at: datetime | None = None) -> str:
        """The cursor's text after a look at `position`; `due_at` is when to look again though nothing was added."""
        cursor = cls(
            spikes_snapshot_id=position.spikes_snapshot_id,
            deliveries_snapshot_id=position.deliveries_snapshot_id,
            due_at=due_at,
            looked_at=looked_at,
        )
        return msgspec.json.encode(cursor).decode()


def has_work(cursor_text: str | None, position: LedgerPosition, now: datetime) -> bool:
    """Whether the tables must be read: something was added or is due since, or the cursor says nothing usable."""
    if not cursor_text:
        return True
    try:
        cursor = msgspec.json.decode(cursor_text, type=Cursor)
    except msgspec.DecodeError:
        return True
    if LedgerPosition(cursor.spikes_snapshot_id, cursor.deliveries_snapshot_id) != position:
        return True
    if cursor.due_at is None:
        return False
    # The clock was set back since: when something is due must be found anew.
    is_set_back = cursor.looked_at is not None and now < cursor.looked_at
    return cursor.due_at <= now or is_set_back


def attempts_digest(attempts: Iterable[Attempt]) -> str:
    """Names a set of attempts: equal for the same spikes at the same attempt numbers, in any order."""
    lines = sorted(f"{attempt.key.spike_id} {attempt.number}" for attempt in attempts)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:32]
