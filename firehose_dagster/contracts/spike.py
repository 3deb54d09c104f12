"""The spike event: what a row of `crypto_spikes` says, and its identity."""

import uuid
from datetime import UTC, datetime
from typing import Literal, get_args

SpikeKind = Literal["price", "volume"]
SPIKE_KINDS: tuple[SpikeKind, ...] = get_args(SpikeKind)

_SPIKE_NAMESPACE = uuid.UUID("6b3ad1b6-6e3c-5b27-9f0e-0f1c3b1f7a52")


def spike_id(symbol: str, minute: datetime, kind: SpikeKind) -> str:
    """The id of the one event of (symbol, minute, kind): equal wherever and whenever it is computed.

    It is the key of the event in the lake and the idempotency key of its webhook. Raises ValueError for a
    `minute` without a time zone.
    """
    if minute.tzinfo is None:
        raise ValueError(f"the minute of a spike is UTC, but {minute.isoformat()} has no time zone")
    moment = minute.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")
    return f"spike_{uuid.uuid5(_SPIKE_NAMESPACE, f'{symbol}|{moment}|{kind}')}"
