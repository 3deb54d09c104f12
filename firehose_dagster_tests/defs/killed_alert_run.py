"""A process that delivers what is due, as the code server does at a tick, and may be killed in it: `python -m ...`.

Lake, secret and Dagster's home come from the environment, and where it dies too.
"""

import os
import signal
import subprocess
import sys
import time

import dagster as dg

from firehose_dagster.crash_points import ENVIRONMENT_VARIABLE
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.spike_sensor import spike_sensor
from firehose_dagster.local.environment import process_environment
from firehose_dagster.settings import Settings

_LONGEST_SECONDS = 120
_NOTHING_DUE = "nothing new, nothing due"


def deliver_all_due(settings: Settings, crash_at: str = "") -> None:
    """Tick until nothing is due, in a process of its own, which must die where it says, or else end well."""
    ended = subprocess.run(
        [sys.executable, "-m", __name__],
        env={**process_environment(settings), ENVIRONMENT_VARIABLE: crash_at},
        check=False,
        capture_output=True,
        text=True,
        timeout=_LONGEST_SECONDS,
    )
    assert ended.returncode == (-signal.SIGKILL if crash_at else 0), ended.stderr


def main() -> None:
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "1")
    cursor: str | None = None
    with dg.DagsterInstance.get() as instance:
        while True:
            context = dg.build_sensor_context(instance=instance, cursor=cursor)
            result = spike_sensor(context, firehose=FirehoseResource())
            assert isinstance(result, dg.SensorResult)
            cursor = result.cursor
            print(result.skip_reason, file=sys.stderr)
            if _NOTHING_DUE in str(result.skip_reason):
                return
            time.sleep(0.5)  # between two ticks, as the daemon waits


if __name__ == "__main__":
    main()
