"""A process that delivers what is due, as a run worker does, and may be killed in it: `python -m ...`.

Lake, secret and Dagster's home come from the environment, and where it dies too.
"""

import os
import signal
import subprocess
import sys

import dagster as dg

from firehose_dagster.crash_points import ENVIRONMENT_VARIABLE
from firehose_dagster.defs.alerts import deliver_spikes
from firehose_dagster.local.environment import process_environment
from firehose_dagster.settings import Settings

_LONGEST_RUN_SECONDS = 120


def alert_run(settings: Settings, crash_at: str = "") -> None:
    """Deliver in a process of its own, which must die where it says, or else end well."""
    ended = subprocess.run(
        [sys.executable, "-m", __name__],
        env={**process_environment(settings), ENVIRONMENT_VARIABLE: crash_at},
        check=False,
        capture_output=True,
        text=True,
        timeout=_LONGEST_RUN_SECONDS,
    )
    assert ended.returncode == (-signal.SIGKILL if crash_at else 0), ended.stderr


def main() -> None:
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    with dg.DagsterInstance.get() as instance:
        assert deliver_spikes.execute_in_process(instance=instance).success


if __name__ == "__main__":
    main()
