"""Epoch microseconds and UTC datetimes, converted without a float in between."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def from_microseconds(epoch_us: int) -> datetime:
    """The instant, in UTC. Raises OverflowError outside the years 1 to 9999."""
    return _EPOCH + timedelta(microseconds=epoch_us)


def to_microseconds(instant: datetime) -> int:
    """Microseconds since the epoch, exactly. Raises TypeError for a datetime without a time zone."""
    return (instant - _EPOCH) // _MICROSECOND
