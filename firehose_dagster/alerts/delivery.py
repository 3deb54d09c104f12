"""What is recorded of one attempt to deliver a spike: a row of `ops_deliveries`, as data."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Outcome = Literal["delivered", "failed", "unknown", "expired", "dead", "replay", "acknowledged"]
"""`delivered`: the receiver answered 2xx. `failed`: it answered otherwise, or was never reached. `unknown`: no answer
came, it may hold the alert. `expired`: too old to post, never posted. `dead`: given up. `replay`: a person asked for it
again. `acknowledged`: the receiver called back, it has processed the alert."""


@dataclass(frozen=True, slots=True)
class SpikeKey:
    """What planning needs to know of a spike: who it is and where it stands in its symbol's order."""

    spike_id: str
    symbol: str
    minute: datetime
    kind: str

    @property
    def position(self) -> tuple[datetime, str, str]:
        """Sort key: minutes in order, then by name, so that equal input gives equal order."""
        return (self.minute, self.symbol, self.kind)


@dataclass(frozen=True, slots=True)
class Delivery:
    """One row of `ops_deliveries`. `attempt` counts the rows of a spike from 1; times are UTC."""

    key: SpikeKey
    attempt: int
    outcome: Outcome
    http_status: int | None
    detail: str | None
    attempted_at: datetime
    duration_ms: int
    run_id: str


def by_spike(deliveries: Iterable[Delivery]) -> Mapping[str, list[Delivery]]:
    """Each spike's rows in the order in which they were written."""
    histories: dict[str, list[Delivery]] = {}
    for delivery in sorted(deliveries, key=lambda row: (row.attempt, row.attempted_at)):
        histories.setdefault(delivery.key.spike_id, []).append(delivery)
    return histories
