"""What the gateway says of itself, in a small file that others read: `<state_dir>/gateway.json`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import msgspec
import psutil

from firehose_dagster.settings import Settings

STATUS_FILE = "gateway.json"
_LONGEST_SILENCE = timedelta(seconds=30)
"""A gateway that works writes once a second."""

State = Literal["starting", "running", "stopped", "failed"]


class GatewayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One moment of one gateway process; counts are since its start. Times are UTC."""

    state: State
    pid: int
    started_at: datetime
    updated_at: datetime
    symbols: int
    connections: int
    """Open now."""
    connections_planned: int
    reconnects: int
    """Connections opened again after they broke."""
    rotations: int = 0
    """Connections replaced by one that overlapped them."""
    frames: int
    """All WebSocket frames with data."""
    bytes: int
    trades: int
    by_kind: dict[str, int]
    """Frames that are no aggregate trades, by kind."""
    unparsable: int
    """Frames that went to the topic as they came."""
    produced: int
    delivered: int
    outstanding: int
    """Produced and not yet confirmed by Kafka."""
    lost: int = 0
    """Live trades that Kafka did not take; they are healed."""
    full_queue_seconds: float = 0.0
    """How long connections were left unread because Kafka took nothing."""
    gaps_found: int
    gaps_healed: int
    missing_ids: int
    """Ids waiting to be healed."""
    healed_ids: int
    absent_ids: int
    """Ids that REST confirmed not to exist."""
    unresolved_ids: int
    """Ids that REST did not give for long; they are asked for again every ten minutes."""
    rest_calls: int = 0
    probes: int = 0
    """Those among the calls that asked about a silent symbol."""
    highest_weight_used: int = 0
    """Most REST weight used in one minute."""
    last_trade_at: datetime | None
    """The newest trade time received."""
    last_error: str | None


def status_path(settings: Settings) -> Path:
    """Where the status of this home's gateway stands."""
    return settings.state_dir / STATUS_FILE


def write_status(settings: Settings, status: GatewayStatus) -> None:
    """Replace the status file at once: a reader sees the old one or the new one, never a part."""
    path = status_path(settings)
    part = path.with_suffix(f".{status.pid}.part")
    part.write_bytes(msgspec.json.format(msgspec.json.encode(status)))
    part.replace(path)


def read_status(settings: Settings) -> GatewayStatus | None:
    """The last status written, None where there is none. Raises msgspec.DecodeError if the file is not a status.

    The process may be dead since: compare `updated_at`, or ask for `pid`.
    """
    try:
        return msgspec.json.decode(status_path(settings).read_bytes(), type=GatewayStatus)
    except FileNotFoundError:
        return None


def is_alive(status: GatewayStatus, now: datetime) -> bool:
    """Whether the process that wrote the status works, as far as it tells."""
    if status.state in ("stopped", "failed"):
        return False
    # A status from the future was written before the clock was set back; one that lives writes the next in a second.
    return psutil.pid_exists(status.pid) and abs(now - status.updated_at) < _LONGEST_SILENCE


def utc_from_microseconds(epoch_us: int) -> datetime:
    """Epoch microseconds -> UTC, exactly."""
    seconds, microseconds = divmod(epoch_us, 1_000_000)
    return datetime.fromtimestamp(seconds, tz=UTC).replace(microsecond=microseconds)
