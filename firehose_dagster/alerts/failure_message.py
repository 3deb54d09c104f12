"""What a webhook says of a run that failed, or of promises that no longer hold. Pure.

The same envelope as a spike's; the receiver tells them apart by `type`, and the same failure by its id.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal

import msgspec

FailureKind = Literal["maintenance_failed", "check_failed", "run_failed"]

_LONGEST_ERROR = 1_000


class FailureData(msgspec.Struct, frozen=True, kw_only=True):
    """Field `data`: what failed, and one neutral line of text."""

    run_id: str
    job: str
    error: str | None
    checks: list[str]
    """Failed asset checks, as `asset:check`; empty for a run that failed."""
    failed_at: datetime
    text: str


class FailurePayload(msgspec.Struct, frozen=True, kw_only=True):
    """The body of the webhook."""

    type: str
    timestamp: datetime
    data: FailureData


def failure_id(kind: FailureKind, run_id: str) -> str:
    """The webhook's idempotency key: one failure is one alert, however often it is sent."""
    return f"{kind}_{run_id}"


def failure_body(
    kind: FailureKind,
    run_id: str,
    job: str,
    failed_at: datetime,
    *,
    error: str | None = None,
    checks: Sequence[str] = (),
) -> str:
    """The JSON text to sign and post: the same for the same failure. Raises ValueError for a time without zone."""
    if failed_at.tzinfo is None:
        raise ValueError(f"times are UTC, but {failed_at.isoformat()} has no time zone")
    at = failed_at.astimezone(UTC)
    what = f"{len(checks)} checks failed: {', '.join(checks)}" if checks else f"failed: {_first_line(error)}"
    return msgspec.json.encode(
        FailurePayload(
            type=kind,
            timestamp=at,
            data=FailureData(
                run_id=run_id,
                job=job,
                error=None if error is None else error[:_LONGEST_ERROR],
                checks=list(checks),
                failed_at=at,
                text=f"{job} {at:%Y-%m-%d %H:%M} UTC: {what}",
            ),
        )
    ).decode()


def _first_line(error: str | None) -> str:
    return (error or "no reason was told").strip().splitlines()[0][:200]
