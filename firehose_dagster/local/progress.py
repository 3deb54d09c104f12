"""What the parts of a running installation say of themselves, read from their files and endpoints."""

from typing import TypeVar

import httpx
import msgspec

from firehose_dagster.alerts.receiver import ReceiverStatus
from firehose_dagster.gateway.status import GatewayStatus, read_status, status_path
from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import progress_path

_HTTP_TIMEOUT_SECONDS = 3.0
_Status = TypeVar("_Status")


class _ExchangeStatus(msgspec.Struct, frozen=True):
    finished: bool = False


def read_gateway(settings: Settings) -> GatewayStatus | None:
    """The last status written; None where there is none yet, or one of another version."""
    try:
        return read_status(settings)
    except msgspec.DecodeError:
        return None


def read_receiver(settings: Settings) -> ReceiverStatus | None:
    """What the receiver answers; None where it does not."""
    return _get(f"http://127.0.0.1:{settings.receiver_port}/status", ReceiverStatus)


def exchange_is_finished(settings: Settings) -> bool:
    """Whether the simulator has sent all that its files hold."""
    status = _get(f"http://127.0.0.1:{settings.exchange_port}/admin/status", _ExchangeStatus)
    return status is not None and status.finished


def forget_progress(settings: Settings) -> None:
    """Remove the status files of processes that are gone, so that old figures are not taken for new ones."""
    for path in (status_path(settings), progress_path(settings)):
        path.unlink(missing_ok=True)


def _get(url: str, type_: type[_Status]) -> _Status | None:
    try:
        return msgspec.json.decode(httpx.get(url, timeout=_HTTP_TIMEOUT_SECONDS).content, type=type_)
    except (httpx.HTTPError, msgspec.DecodeError):
        return None
