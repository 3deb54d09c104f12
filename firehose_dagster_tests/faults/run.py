"""`make faults N=20`: seeded fault scripts against one running pipeline; exit code 0 only if all is green.

python -m firehose_dagster_tests.faults.run --scripts 20 --seed 1     the scripts 1 to 20
python -m firehose_dagster_tests.faults.run --scripts 1 --seed 17     script 17 again, as it was
"""

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from rich.console import Console

from firehose_dagster_tests.faults.outcome_table import label, outcome_table
from firehose_dagster_tests.faults.trials import TrialOptions, TrialResults, run_trials, script_of

SCRIPT_SECONDS = 30.0
SETTLE_SECONDS = 120.0
SETTLE_WITHOUT_HEAL_SECONDS = 20.0
TRADES_PER_SECOND = 2.0
AT_A_TIME = 20
"""About 1.6 reconnects a script of 45 s: more at a time would meet the gateway's 240 handshakes in 5 minutes."""


def main() -> int:
    """Parse, run, print; the exit code."""
    arguments = _arguments()
    seeds = tuple(arguments.seeds or range(arguments.seed, arguments.seed + arguments.scripts))
    console = Console()

    def say(line: str) -> None:
        console.print(line, markup=False, highlight=False, soft_wrap=True)

    if arguments.show:
        for seed in seeds:
            for timed in script_of(seed, arguments.script_seconds):
                say(f"seed {seed} at {timed.at_seconds:6.3f} s: {label(timed.fault)} {timed.fault}")
        return 0
    options = options_of(
        seeds,
        without_heal=arguments.without_heal,
        at_a_time=arguments.at_a_time,
        script_seconds=arguments.script_seconds,
        trades_per_second=arguments.trades_per_second,
    )
    if arguments.home is not None:
        results = run_trials(options, arguments.home, say)
    else:
        with tempfile.TemporaryDirectory(prefix="firehose-faults-") as folder:
            results = run_trials(options, Path(folder), say)
    console.print(outcome_table(results.verdicts))
    for line in summary(results):
        say(line)
    return 0 if results.is_green else 1


def options_of(
    seeds: Iterable[int],
    *,
    without_heal: bool = False,
    at_a_time: int = AT_A_TIME,
    script_seconds: float = SCRIPT_SECONDS,
    trades_per_second: float = TRADES_PER_SECOND,
) -> TrialOptions:
    """The options that are used where nothing else is said. Without the heal there is no use in waiting for it."""
    return TrialOptions(
        seeds=tuple(seeds),
        at_a_time=at_a_time,
        script_seconds=script_seconds,
        settle_seconds=SETTLE_WITHOUT_HEAL_SECONDS if without_heal else SETTLE_SECONDS,
        trades_per_second=trades_per_second,
        without_heal=without_heal,
    )


def summary(results: TrialResults) -> list[str]:
    """What is to be said beside the table."""
    lines = [
        f"gateway processes {results.gateway_processes}, stream processes {results.streams_processes}, "
        f"connection attempts {results.connection_attempts}, REST requests {results.rest_requests}, "
        f"highest weight of a minute {results.highest_weight}",
        "exchange's rules: "
        + (", ".join(f"{name} {count}" for name, count in results.violations.items() if count) or "kept"),
        *(f"verify: {breach}" for breach in results.breaches),
    ]
    if not results.breaches:
        lines.append("verify: green")
    lines += [
        f"replay: python -m firehose_dagster_tests.faults.run --scripts 1 --seed {seed}" for seed in results.red_seeds
    ]
    lines.append(
        f"{'GREEN' if results.is_green else 'RED'}: {len(results.verdicts)} scripts, {len(results.red_seeds)} red"
    )
    return lines


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scripts", type=int, default=20, help="how many (default 20)")
    parser.add_argument("--seed", type=int, default=1, help="of the first script; the next ones follow (default 1)")
    parser.add_argument("--seeds", type=int, nargs="+", help="exactly these instead")
    parser.add_argument("--at-a-time", type=int, default=AT_A_TIME, help=f"scripts beside each other ({AT_A_TIME})")
    parser.add_argument("--script-seconds", type=float, default=SCRIPT_SECONDS, help=f"({SCRIPT_SECONDS:g})")
    parser.add_argument("--trades-per-second", type=float, default=TRADES_PER_SECOND, help="of each symbol, on average")
    parser.add_argument("--without-heal", action="store_true", help="REST gives no trades: all has to turn red")
    parser.add_argument("--home", type=Path, help="keep lake and logs in this new folder")
    parser.add_argument("--show", action="store_true", help="print the scripts and run nothing")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
