"""Which ends of runs are told, and which are old news. Pure.

A job that fails again and again is told once, at its first failure after a success; checks are told when another set
of them fails than in the run before. A run that was told is not told again: its id is the webhook's. A layer of the
stream fails within a run that goes on, and is told by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from firehose_dagster.alerts.failure_message import FailureKind, failure_body, failure_id


@dataclass(frozen=True, slots=True)
class RunEnd:
    """How one run ended. `failed_checks`: `asset:check` of each check that it judged and that failed."""

    run_id: str
    job: str
    ended_at: datetime
    failed: bool
    failed_checks: frozenset[str] = frozenset()
    error: str | None = None


@dataclass(frozen=True, slots=True)
class FailureAlert:
    """What to post, under which id."""

    webhook_id: str
    body: str


def alerts_of(run: RunEnd, before: RunEnd | None, maintenance_jobs: Sequence[str]) -> list[FailureAlert]:
    """What is to be told of a run, given the run of the same job before it."""
    told: list[FailureAlert] = []
    if run.failed and not (before is not None and before.failed):
        kind: FailureKind = "maintenance_failed" if run.job in maintenance_jobs else "run_failed"
        body = failure_body(kind, run.run_id, run.job, run.ended_at, error=run.error)
        told.append(FailureAlert(failure_id(kind, run.run_id), body))
    if run.failed_checks and not (before is not None and before.failed_checks == run.failed_checks):
        body = failure_body("check_failed", run.run_id, run.job, run.ended_at, checks=sorted(run.failed_checks))
        told.append(FailureAlert(failure_id("check_failed", run.run_id), body))
    return told


def alert_of_layer(layer: str, check: str, since: datetime, why: str, run_id: str, job: str) -> FailureAlert:
    """What to post of a layer that has taken no batch since a moment: a failed check of the run that hosts the stream.

    Its id holds layer and moment, and not the run: one run may fail and recover many times.
    """
    body = failure_body("check_failed", run_id, job, since, error=why, checks=[f"{layer}:{check}"])
    return FailureAlert(failure_id("check_failed", f"{layer}_{since.astimezone(UTC):%Y%m%dT%H%M%S}"), body)
