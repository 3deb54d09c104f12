"""`make crash-sweep`: the stream killed at each of its named points, twice in a row, then run to its end and judged.

python -m firehose_dagster_tests.chaos.sweep                                  every point
python -m firehose_dagster_tests.chaos.sweep --points silver-committed        one of them
python -m firehose_dagster_tests.chaos.sweep --times 1                        every point, one kill each
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from firehose_dagster.crash_points import ENVIRONMENT_VARIABLE, CrashPoint
from firehose_dagster.local.broker import prepare_broker
from firehose_dagster.local.environment import settings_environment
from firehose_dagster.local.installation import Installation
from firehose_dagster.local.java import java_executable
from firehose_dagster.local.ports import free_ports
from firehose_dagster.local.programs import BROKER, broker_program
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded
from firehose_dagster_tests.streams.scenario import trade, trades
from firehose_dagster_tests.transforms.bad_messages import BAD_MESSAGES

STREAM_POINTS = (
    CrashPoint.LEASE_TAKEN,
    CrashPoint.BATCH_PLANNED,
    CrashPoint.BRONZE_COMMITTED,
    CrashPoint.BATCH_CLASSIFIED,
    CrashPoint.QUARANTINE_COMMITTED,
    CrashPoint.SILVER_COMMITTED,
    CrashPoint.SPIKES_FILE_WRITTEN,
    CrashPoint.SPIKES_COMMITTED,
    CrashPoint.GOLD_FILE_WRITTEN,
    CrashPoint.GOLD_COMMITTED,
    CrashPoint.AUDIT_BUFFERED,
    CrashPoint.BATCH_DONE,
    CrashPoint.AUDIT_FILE_WRITTEN,
    CrashPoint.AUDIT_COMMITTED,
)
"""The others are passed by the alert job: firehose_dagster_tests/defs/test_alert_crashes.py kills it there."""
SILVER_ROWS = 70
"""How many trades a point's topic holds, each counted once."""
RUN_PATIENCE_SECONDS = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one point."""

    point: CrashPoint
    exit_codes: tuple[int, ...]
    """Of the runs that had to die."""
    breaches: tuple[str, ...]
    seconds: float

    @property
    def is_green(self) -> bool:
        return set(self.exit_codes) == {-signal.SIGKILL} and not self.breaches


def main() -> int:
    """Sweep, print; the exit code."""
    parser = argparse.ArgumentParser(description="Kill the stream at each named point.")
    parser.add_argument("--points", nargs="*", type=CrashPoint, default=STREAM_POINTS)
    parser.add_argument("--times", type=int, choices=(1, 2), default=2, help="how often in a row; default: 2")
    options = parser.parse_args()
    console = Console()
    table = Table("killed at", "exit codes", "verify", "seconds")
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="firehose-sweep-") as folder, broker(Path(folder) / "broker") as bootstrap:
        for point in options.points:
            outcome = sweep_point(Path(folder) / point, bootstrap, point, options.times)
            outcomes.append(outcome)
            said = "green" if not outcome.breaches else " | ".join(outcome.breaches)
            console.print(f"{point}: {outcome.exit_codes} {said}", markup=False, highlight=False)
            table.add_row(point, str(outcome.exit_codes), said, f"{outcome.seconds:.0f}")
    console.print(table)
    return 0 if all(outcome.is_green for outcome in outcomes) else 1


@contextmanager
def broker(home: Path) -> Iterator[str]:
    """A real broker; its address."""
    broker_port, controller_port = free_ports(2)
    settings = Settings(home=home, broker_port=broker_port, broker_controller_port=controller_port)
    java = java_executable()
    prepare_broker(settings, java)
    with Installation(settings, [broker_program(settings, java)], java) as installation:
        installation.start(BROKER, on_progress=lambda line: None)
        yield settings.bootstrap_servers


def sweep_point(home: Path, bootstrap: str, point: CrashPoint, times: int) -> Outcome:
    """A lake of its own, its stream killed once or twice.

    Where a replay passes the point again, the second kill lies in the repair of the first; where the step is done for
    good, in the next batch.
    """
    started = time.monotonic()
    settings = Settings(
        home=home,
        kafka_bootstrap=bootstrap,
        topic=f"trades.{point}",
        max_rows_per_batch=30,
        trigger_interval_ms=0,
        spark_driver_memory="1g",
    )
    pipeline = Pipeline(settings)
    pipeline.make_topic()
    calm = [trade(agg_id, agg_id, price="100", qty="1") for agg_id in range(1, 21)]
    spikes = [trade(agg_id, agg_id, price="100", qty="50") for agg_id in range(21, 61)]
    pipeline.produce(
        encoded([*calm, *spikes[:20], calm[3], {**calm[5], "price": "7"}, *trades(1, 5, symbol="ETHUSDT")])
    )
    pipeline.produce(("BTCUSDT", bad.value) for bad in BAD_MESSAGES)
    exit_codes = [_run_and_die(settings, point)]
    # The last is a spike of its own: those before it may all be committed, and there would be none left to die at.
    fresh = [*spikes[20:], trade(61, 61, price="100", qty="5000")]
    pipeline.produce(encoded([*fresh, calm[7], *trades(6, 9, minute=-60, symbol="ETHUSDT")]))
    if times > 1:
        exit_codes.append(_run_and_die(settings, point))
    pipeline.run("streams", "--until-caught-up", log=home / "last.log")
    breaches = [f"{check.name}: {'; '.join(check.examples)}" for check in verify(settings).checks if not check.ok]
    (silver,) = pipeline.query("SELECT count(*)::BIGINT AS rows FROM crypto_silver_trades")
    if silver["rows"] != SILVER_ROWS:
        breaches.append(f"silver holds {silver['rows']} rows of {SILVER_ROWS}")
    return Outcome(point, tuple(exit_codes), tuple(breaches), time.monotonic() - started)


def _run_and_die(settings: Settings, point: CrashPoint) -> int:
    environment = {**os.environ, **settings_environment(settings), ENVIRONMENT_VARIABLE: point}
    settings.home.mkdir(parents=True, exist_ok=True)
    with (settings.home / "killed.log").open("ab") as log:
        return subprocess.run(
            [sys.executable, "-m", "firehose_dagster.cli", "streams", "--until-caught-up"],
            env=environment,
            stdout=log,
            stderr=subprocess.STDOUT,
            timeout=RUN_PATIENCE_SECONDS,
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
