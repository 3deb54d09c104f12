"""A spike as its webhook says it: a row of `crypto_spikes` -> JSON body and one neutral line of text. Pure."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

import msgspec

from firehose_dagster.alerts.delivery import SpikeKey

EVENT_TYPE = "spike.detected"


@dataclass(frozen=True, slots=True)
class Spike:
    """The columns of `crypto_spikes` that an alert tells, under their own names; times are UTC."""

    spike_id: str
    symbol: str
    minute: datetime
    kind: str
    score: Decimal
    price: Decimal
    vwap: Decimal
    volume: Decimal
    return_1m: Decimal | None
    is_complete: bool
    received_at: datetime
    detected_at: datetime

    @property
    def key(self) -> SpikeKey:
        """Its identity, as planning takes it."""
        return SpikeKey(self.spike_id, self.symbol, self.minute, self.kind)


class SpikeData(msgspec.Struct, frozen=True, kw_only=True):
    """Field `data` of the payload. Decimals are plain strings, times RFC 3339 in UTC."""

    spike_id: str
    symbol: str
    minute: datetime
    kind: str
    score: str
    price: str
    vwap: str
    volume: str
    return_1m: str | None
    is_complete: bool
    received_at: datetime
    detected_at: datetime
    text: str


class SpikePayload(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a webhook, in the shape that Standard Webhooks recommends."""

    type: str
    timestamp: datetime
    """When the spike was detected; the same over retries, unlike the header `webhook-timestamp`."""
    data: SpikeData


def body(spike: Spike) -> str:
    """The JSON text to sign and post: the same text for the same row, however often it is sent.

    Raises ValueError for a time without zone.
    """
    return msgspec.json.encode(payload(spike)).decode()


def payload(spike: Spike) -> SpikePayload:
    """The payload of a spike. Raises ValueError for a time without zone."""
    return SpikePayload(
        type=EVENT_TYPE,
        timestamp=_utc(spike.detected_at),
        data=SpikeData(
            spike_id=spike.spike_id,
            symbol=spike.symbol,
            minute=_utc(spike.minute),
            kind=spike.kind,
            score=_plain(spike.score),
            price=_plain(spike.price),
            vwap=_plain(spike.vwap),
            volume=_plain(spike.volume),
            return_1m=None if spike.return_1m is None else _plain(spike.return_1m),
            is_complete=spike.is_complete,
            received_at=_utc(spike.received_at),
            detected_at=_utc(spike.detected_at),
            text=text(spike),
        ),
    )


def text(spike: Spike) -> str:
    """One line that reports and does not advise, for chat messages and logs."""
    moved = "" if spike.return_1m is None else f", return {_short(spike.return_1m * 100)} % in the minute"
    incomplete = "" if spike.is_complete else ", trades of this minute are missing"
    return (
        f"{spike.symbol} {_utc(spike.minute):%Y-%m-%d %H:%M} UTC: {spike.kind} spike, score {_short(spike.score)}, "
        f"price {_short(spike.price)}, volume {_short(spike.volume)}{moved}{incomplete}"
    )


def _utc(moment: datetime) -> datetime:
    if moment.tzinfo is None:
        raise ValueError(f"times of a spike are UTC, but {moment.isoformat()} has no time zone")
    return moment.astimezone(UTC)


def _plain(number: Decimal) -> str:
    """All digits as the lake holds them, never an exponent (`str` writes 0E-8)."""
    return format(number, "f")


def _short(number: Decimal) -> str:
    """Without trailing zeros behind the point."""
    plain = _plain(number)
    return plain.rstrip("0").rstrip(".") if "." in plain else plain
