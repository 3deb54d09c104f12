"""What the parts of a running installation say of themselves, read from their files and endpoints."""

from datetime import datetime
from pathlib import Path
from typing import TypeVar

import httpx
import msgspec

from firehose_dagster.settings import Settings

STREAMS_FILE = "streams.json"
GATEWAY_FILE = "gateway.json"
_HTTP_TIMEOUT_SECONDS = 3.0
_Status = TypeVar("_Status")


class GatewayProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The part of the gateway's status file that the demo shows. Counts are since the process started."""

    pid: int = 0
    updated_at: datetime | None = None
    frames: int = 0
    trades: int = 0
    delivered: int = 0
    outstanding: int = 0
    gaps_found: int = 0
    gaps_healed: int = 0
    missing_ids: int = 0
    reconnects: int = 0
    last_error: str | None = None


class StreamsProgress(msgspec.Struct, frozen=True, kw_only=True):
    """The status file that the stream's host writes after each batch. Counts are since the host started."""

    pid: int = 0
    updated_at: datetime | None = None
    batch_id: int | None = None
    offsets: dict[int, int] = {}
    """Partition -> offset after the last record that all tables hold."""
    rows_in: int = 0
    silver: int = 0
    quarantine: int = 0
    duplicates: int = 0
    gold_minutes: int = 0
    spikes: int = 0
    lag_ms: int | None = None

    def passed(self, ends: dict[int, int]) -> bool:
        """Whether everything before `ends` is held."""
        return all(self.offsets.get(partition, 0) >= end for partition, end in ends.items())


class ReceiverProgress(msgspec.Struct, frozen=True, kw_only=True):
    """What the demo's webhook receiver counted since it started."""

    received: int = 0
    verified: int = 0
    duplicates: int = 0
    refused: int = 0


class _ExchangeStatus(msgspec.Struct, frozen=True):
    finished: bool = False


def read_gateway(settings: Settings) -> GatewayProgress | None:
    """The last status written; None where there is none yet."""
    return _read(settings.state_dir / GATEWAY_FILE, GatewayProgress)


def read_streams(settings: Settings) -> StreamsProgress | None:
    """The last status written; None where there is none yet."""
    return _read(settings.state_dir / STREAMS_FILE, StreamsProgress)


def read_receiver(settings: Settings) -> ReceiverProgress | None:
    """What the receiver answers; None where it does not."""
    return _get(f"http://127.0.0.1:{settings.receiver_port}/status", ReceiverProgress)


def exchange_is_finished(settings: Settings) -> bool:
    """Whether the simulator has sent all that its files hold."""
    status = _get(f"http://127.0.0.1:{settings.exchange_port}/admin/status", _ExchangeStatus)
    return status is not None and status.finished


def forget_progress(settings: Settings) -> None:
    """Remove the status files of processes that are gone, so that old figures are not taken for new ones."""
    for name in (GATEWAY_FILE, STREAMS_FILE):
        (settings.state_dir / name).unlink(missing_ok=True)


def _read(path: Path, type_: type[_Status]) -> _Status | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=type_)
    except (FileNotFoundError, msgspec.DecodeError):
        return None


def _get(url: str, type_: type[_Status]) -> _Status | None:
    try:
        return msgspec.json.decode(httpx.get(url, timeout=_HTTP_TIMEOUT_SECONDS).content, type=type_)
    except (httpx.HTTPError, msgspec.DecodeError):
        return None
