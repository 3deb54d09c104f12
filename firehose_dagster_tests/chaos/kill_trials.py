"""Carries out kills against a pipeline that runs, and judges the lake after each."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import psutil

from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import read_progress
from firehose_dagster.verification.pinned_lake import StateExpiredError
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.chaos.kill_plan import Kill
from firehose_dagster_tests.faults.exchange_control import ExchangeControl
from firehose_dagster_tests.faults.waiting import wait_until

RECOVERY_PATIENCE_SECONDS = 240.0
PROOF_PATIENCE_SECONDS = 180.0
"""A heal may be under way when the question is first asked."""

PidOf = Callable[[], int | None]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one kill led to."""

    kill: Kill
    recovery_seconds: float | None
    """From the last kill to the next batch that all layers took; None where none came in time."""
    breaches: Sequence[str]
    """What `verify` said last; empty: every promise holds."""

    @property
    def is_green(self) -> bool:
        return self.recovery_seconds is not None and not self.breaches


def carry_out(
    kills: Sequence[Kill], pids: Mapping[str, PidOf], settings: Settings, exchange: ExchangeControl
) -> Iterator[Verdict]:
    """One after the other, each judged before the next."""
    for kill in kills:
        exchange.make(kill.disturbance)
        time.sleep(kill.wait_seconds)  # the plan's: at which moment of a batch it hits is the draw
        for target in kill.targets:
            _kill(pids[target])
        killed_at, killed = datetime.now(UTC), time.monotonic()
        recovered = wait_until(lambda at=killed_at: took_a_batch_since(settings, at), RECOVERY_PATIENCE_SECONDS)  # type: ignore[misc] # bound now
        recovery_seconds = time.monotonic() - killed if recovered else None
        breaches: list[str] = []

        def proven() -> bool:
            breaches[:] = _breaches(settings)  # noqa: B023 - asked before the next kill
            return not breaches  # noqa: B023 - asked before the next kill

        wait_until(proven, PROOF_PATIENCE_SECONDS)
        yield Verdict(kill, recovery_seconds, tuple(breaches))


def _kill(pid_of: PidOf) -> None:
    assert wait_until(lambda: pid_of() is not None, RECOVERY_PATIENCE_SECONDS), "the process is not there to be killed"
    pid = pid_of()
    if pid is not None:
        try:
            psutil.Process(pid).kill()
        except psutil.NoSuchProcess:
            return


def took_a_batch_since(settings: Settings, moment: datetime) -> bool:
    """Whether the newest word of the stream is of a batch behind `moment`: it also shows its start, and a failure."""
    progress = read_progress(settings)
    return progress is not None and progress.batches > 0 and progress.failing is None and progress.updated_at > moment


def _breaches(settings: Settings) -> list[str]:
    try:
        report = verify(settings)
    except StateExpiredError as error:
        return [str(error)]
    return [f"{check.name}: {'; '.join(check.examples)}" for check in report.checks if not check.ok]
