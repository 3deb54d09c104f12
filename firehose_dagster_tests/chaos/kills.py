"""`make chaos N=20`: seeded kills of random processes under a disturbed feed; exit code 0 only if all is green.

python -m firehose_dagster_tests.chaos.kills --kills 20 --seed 1              the host supervised directly
python -m firehose_dagster_tests.chaos.kills --kills 20 --seed 1 --dagster    the whole demo, its processes included
python -m firehose_dagster_tests.chaos.kills --kills 1 --seed 1 --first 17    kill 17 again, as it was
"""

import argparse
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
import psutil
from rich.console import Console
from rich.table import Table

from firehose_dagster.local.programs import BROKER, GATEWAY, STREAMS
from firehose_dagster.settings import Settings
from firehose_dagster_tests.chaos.kill_plan import planned_kill
from firehose_dagster_tests.chaos.kill_trials import PidOf, Verdict, carry_out
from firehose_dagster_tests.demo.running_demo import running_demo
from firehose_dagster_tests.faults.exchange_control import ExchangeControl
from firehose_dagster_tests.faults.trial_pipeline import running_pipeline
from firehose_dagster_tests.faults.waiting import wait_until

SYMBOLS = ("BTCUSDT", "ETHUSDT", "BNBUSDT", "SOLUSDT", "XRPUSDT", "DOGEUSDT", "ADAUSDT", "LTCUSDT")
TRADES_PER_SECOND = 100.0
Chaos = tuple[Settings, ExchangeControl, Mapping[str, PidOf]]


def main() -> int:
    """Parse, run, print; the exit code."""
    arguments = _arguments()
    console = Console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    verdicts: list[Verdict] = []
    with tempfile.TemporaryDirectory(prefix="firehose-chaos-") as folder:
        setting = _with_dagster(Path(folder) / "home") if arguments.dagster else _direct(Path(folder) / "home", say)
        with setting as (settings, exchange, pids):
            symbols = settings.symbols
            numbers = range(arguments.first, arguments.first + arguments.kills)
            kills = [planned_kill(arguments.seed, number, sorted(pids), symbols) for number in numbers]
            for verdict in carry_out(kills, pids, settings, exchange):
                verdicts.append(verdict)
                say(_line(verdict))
    console.print(_table(verdicts))
    say(msgspec.json.encode(_figures(verdicts)).decode())
    return 0 if all(verdict.is_green for verdict in verdicts) else 1


@contextmanager
def _direct(home: Path, say: Callable[[str], None]) -> Iterator[Chaos]:
    with running_pipeline(home, SYMBOLS, len(SYMBOLS), TRADES_PER_SECOND, say) as pipeline:

        def pid_of(name: str) -> PidOf:
            return lambda: pipeline.installation.states()[name].pid or None

        pids = {name: pid_of(name) for name in (BROKER, GATEWAY, STREAMS)}
        pids["streams-jvm"] = lambda: jvm_of(pids[STREAMS]())
        assert wait_until(lambda: bool(pipeline.counts()), 180), "no trade arrived in silver"
        yield pipeline.settings, pipeline.exchange, pids


@contextmanager
def _with_dagster(home: Path) -> Iterator[Chaos]:
    with running_demo(home) as demo:
        exchange = ExchangeControl(f"http://127.0.0.1:{demo.settings.exchange_port}")
        pids: dict[str, PidOf] = {
            BROKER: lambda: pid_with(demo.settings, "kafka.Kafka"),
            GATEWAY: demo.gateway_pid,
            STREAMS: demo.stream_pid,
            "streams-jvm": lambda: jvm_of(demo.stream_pid()),
            "daemon": lambda: pid_with(demo.settings, "dagster._daemon"),
            "code-server": lambda: pid_with(demo.settings, "code-server", "grpc"),
            "receiver": lambda: pid_with(demo.settings, "receiver"),
        }
        try:
            yield demo.settings, exchange, pids
        finally:
            exchange.close()


def pid_with(settings: Settings, *words: str) -> int | None:
    """The process of this home of which a word of the command is one of these."""
    for process in psutil.process_iter(["pid", "cmdline"]):
        command = process.info["cmdline"] or []
        if any(word in command for word in words) and _is_of(process, settings):
            pid: int = process.info["pid"]
            return pid
    return None


def _is_of(process: psutil.Process, settings: Settings) -> bool:
    try:
        return process.environ().get("FIREHOSE_HOME") == str(settings.home)
    except psutil.Error:
        return False


def jvm_of(pid: int | None) -> int | None:
    if pid is None:
        return None
    try:
        children = psutil.Process(pid).children(recursive=True)
        return next((child.pid for child in children if child.name() == "java"), None)
    except psutil.Error:
        return None


def _line(verdict: Verdict) -> str:
    kill = verdict.kill
    recovery = "never" if verdict.recovery_seconds is None else f"{verdict.recovery_seconds:.1f} s"
    said = "green" if not verdict.breaches else " | ".join(verdict.breaches)
    return f"seed {kill.seed} kill {kill.number} {'+'.join(kill.targets)}: next commit after {recovery}, {said}"


def _table(verdicts: list[Verdict]) -> Table:
    table = Table("killed", "times", "green", "median s", "slowest s")
    for names in sorted({verdict.kill.targets for verdict in verdicts}):
        of = [verdict for verdict in verdicts if verdict.kill.targets == names]
        seconds = [verdict.recovery_seconds for verdict in of if verdict.recovery_seconds is not None]
        table.add_row(
            " + ".join(names),
            str(len(of)),
            str(sum(verdict.is_green for verdict in of)),
            f"{statistics.median(seconds):.1f}" if seconds else "",
            f"{max(seconds):.1f}" if seconds else "",
        )
    return table


def _figures(verdicts: list[Verdict]) -> dict[str, float | int]:
    seconds = sorted(verdict.recovery_seconds for verdict in verdicts if verdict.recovery_seconds is not None)
    return {
        "kills": len(verdicts),
        "green": sum(verdict.is_green for verdict in verdicts),
        "recovery_p50_s": round(statistics.median(seconds), 1) if seconds else 0,
        "recovery_p95_s": round(seconds[int(0.95 * (len(seconds) - 1))], 1) if seconds else 0,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Seeded kills of a running pipeline.")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=1, help="number of the first kill")
    parser.add_argument("--dagster", action="store_true", help="the whole demo instead of plain processes")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
