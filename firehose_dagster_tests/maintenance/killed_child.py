"""A process that runs a maintenance and is killed at a step of it: `python -m ... WHAT HOME STEP TIMES`."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.orphans.removal import remove_orphans
from firehose_dagster.maintenance.retention.bronze import retire_bronze
from firehose_dagster.settings import Settings

BRONZE_KEEP_DAYS = 7
BOTH_HOURS_ARE_OLD = datetime(2026, 1, 8, 11, tzinfo=UTC)
"""Seven days after the second hour of the small lake began."""
_LONGEST_RUN_SECONDS = 120


def killed(what: str, home: Path, step: StrEnum, times: int = 1) -> None:
    """Run this in a process of its own, which must die when it reaches the step for that time."""
    command = [sys.executable, "-m", __name__, what, str(home), step.value, str(times)]
    ended = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_LONGEST_RUN_SECONDS)
    assert ended.returncode == -signal.SIGKILL, ended.stderr


def main(what: str, home: str, step: str, times: str) -> None:
    settings = Settings(home=Path(home))
    catalog = open_catalog(settings)
    die = _dying_at(step, int(times))
    if what == "orphans":
        remove_orphans(settings, catalog, OPS_DELIVERIES, on_step=die)
    else:
        now = BOTH_HOURS_ARE_OLD + timedelta(hours=1)
        list(retire_bronze(catalog, BRONZE_KEEP_DAYS, nullcontext, now=now, quiet_after_seconds=0, on_step=die))


def _dying_at(step: str, times: int) -> Callable[[str], None]:
    passed = 0

    def reached(each: str) -> None:
        nonlocal passed
        passed += each == step
        if passed == times:
            os.kill(os.getpid(), signal.SIGKILL)

    return reached


if __name__ == "__main__":
    main(*sys.argv[1:])
