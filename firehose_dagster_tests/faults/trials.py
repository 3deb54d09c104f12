"""Many fault scripts at once against one running pipeline, and a verdict for each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from firehose_dagster.binance.limits import CONNECTION_ATTEMPTS_WINDOW_SECONDS
from firehose_dagster.simulator.fault_kinds import RestStatus
from firehose_dagster.simulator.fault_script import TimedFault, fault_script
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.faults.exchange_control import Happened, Known
from firehose_dagster_tests.faults.trial_pipeline import TrialPipeline, running_pipeline
from firehose_dagster_tests.faults.verdict import SymbolVerdict, judge
from firehose_dagster_tests.faults.waiting import pause, wait_until

SYMBOLS_A_SCRIPT = 3
START_PATIENCE_SECONDS = 180.0
START_PATIENCE_SECONDS_A_CONNECTION = 1.5
"""300 handshakes in 5 minutes are allowed: a gateway of many connections starts them slowly."""
FEW_CONNECTIONS = 50
"""Of more, those of the start are let pass out of the exchange's window: the scripts need the attempts themselves."""
END_PATIENCE_SECONDS = 120.0
LOOK_AT_SILVER_EVERY_SECONDS = 3.0
DAY_SECONDS = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialOptions:
    """What to run."""

    seeds: tuple[int, ...]
    """One script each: a script is a function of its seed, whatever runs beside it."""
    at_a_time: int
    script_seconds: float
    settle_seconds: float
    """Longest time from the script's end until silver is complete."""
    trades_per_second: float
    """Of a symbol, on average."""
    without_heal: bool = False
    """REST gives no trades: the verdicts have to turn red."""


@dataclass(frozen=True, slots=True)
class ScriptVerdict:
    """One script: the symbols' verdicts, what happened, and how long silver took after its end."""

    seed: int
    symbols: tuple[SymbolVerdict, ...]
    happened: tuple[Happened, ...]
    settled_seconds: float

    @property
    def is_green(self) -> bool:
        """Whether silver holds exactly what exists, for all its symbols."""
        return all(symbol.is_green for symbol in self.symbols)

    @property
    def line(self) -> str:
        """For people."""
        trades = sum(symbol.trades for symbol in self.symbols)
        reasons = "; ".join(symbol.reason for symbol in self.symbols if symbol.reason)
        told = (
            f"green, {trades} trades, {self.settled_seconds:.0f} s after its end"
            if self.is_green
            else f"RED: {reasons}"
        )
        return f"seed {self.seed}: {told}"


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialResults:
    """The outcome of a run."""

    verdicts: tuple[ScriptVerdict, ...]
    breaches: tuple[str, ...]
    """Of `firehose verify` at the end; empty: it is green."""
    violations: dict[str, int]
    """Of the exchange's rules."""
    gateway_processes: int
    streams_processes: int
    """1: it was never restarted."""
    highest_weight: int
    rest_requests: int
    connection_attempts: int

    @property
    def red_seeds(self) -> tuple[int, ...]:
        """Scripts after which silver was not what exists."""
        return tuple(verdict.seed for verdict in self.verdicts if not verdict.is_green)

    @property
    def is_green(self) -> bool:
        """Every verdict, the oracle and the exchange's rules."""
        return not self.red_seeds and not self.breaches and not any(self.violations.values())


def symbols_of(seed: int) -> tuple[str, ...]:
    """The script's own symbols: no other script touches them."""
    return tuple(f"T{seed}{letter}USDT" for letter in "ABCDEFGH"[:SYMBOLS_A_SCRIPT])


def script_of(seed: int, seconds: float) -> tuple[TimedFault, ...]:
    """The script of a seed."""
    return fault_script(seed, symbols_of(seed), seconds)


@dataclass(slots=True)
class _Running:
    seed: int
    number: int
    last_ids: dict[str, int | None] = field(default_factory=dict)
    """By symbol, when the last fault had begun."""
    ended_at: float | None = None
    spans: dict[str, Known] = field(default_factory=dict)
    """As known at the script's end: what silver has to hold."""

    def end(self, known: dict[str, Known], now: float) -> None:
        """End the script once each symbol had a trade since its last fault began, so that this fault hit one too."""
        if not self.last_ids:
            self.last_ids = {symbol: each.last_id for symbol, each in known.items()}
        elif all(each.last_id != self.last_ids[symbol] for symbol, each in known.items()):
            self.spans, self.ended_at = known, now

    def expected(self) -> dict[str, int]:
        return {
            symbol: known.last_id - known.first_sent_id + 1 - _absent(known)
            for symbol, known in self.spans.items()
            if known.first_sent_id is not None and known.last_id is not None
        }


def run_trials(options: TrialOptions, home: Path, say: Callable[[str], None]) -> TrialResults:
    """Start the pipeline in `home`, run the scripts, judge, stop. Raises AssertionError where it does not start."""
    symbols = [symbol for seed in options.seeds for symbol in symbols_of(seed)]
    rate = options.trades_per_second * len(symbols)
    with running_pipeline(home, symbols, SYMBOLS_A_SCRIPT, rate, say) as pipeline:
        patience_seconds = START_PATIENCE_SECONDS + START_PATIENCE_SECONDS_A_CONNECTION * len(options.seeds)
        started = wait_until(lambda: _all_flow(pipeline, symbols), patience_seconds)
        assert started, f"not every symbol reached silver within {patience_seconds:.0f} s; logs in {home}/logs"
        if options.without_heal:
            pipeline.exchange.make(RestStatus(symbols=tuple(symbols), status=503, seconds=DAY_SECONDS))
        if len(options.seeds) > FEW_CONNECTIONS:
            say(f"{len(symbols)} symbols flow; {CONNECTION_ATTEMPTS_WINDOW_SECONDS} s until new attempts are free")
            wait_until(lambda: False, CONNECTION_ATTEMPTS_WINDOW_SECONDS)
        say(f"{len(symbols)} symbols flow; {len(options.seeds)} scripts, {options.at_a_time} at a time")
        verdicts = _play_all(options, pipeline, say)
        pipeline.end(END_PATIENCE_SECONDS, heals=not options.without_heal)
        say("judging the whole lake")
        breaches = tuple(
            f"{check.name}: {'; '.join(check.examples)}" for check in verify(pipeline.settings).checks if not check.ok
        )
        status = pipeline.exchange.status()
        return TrialResults(
            verdicts=tuple(sorted(verdicts, key=lambda verdict: verdict.seed)),
            breaches=breaches,
            violations=status["violations"],
            gateway_processes=len(pipeline.gateway_pids),
            streams_processes=len(pipeline.streams_pids),
            highest_weight=status["highest_weight"],
            rest_requests=status["rest_requests"],
            connection_attempts=status["connection_attempts"],
        )


def _all_flow(pipeline: TrialPipeline, symbols: Sequence[str]) -> bool:
    pipeline.note_processes()
    return pipeline.counts().keys() >= set(symbols)


def _play_all(options: TrialOptions, pipeline: TrialPipeline, say: Callable[[str], None]) -> list[ScriptVerdict]:
    waiting = list(options.seeds)
    running: list[_Running] = []
    verdicts: list[ScriptVerdict] = []
    looked_at = 0.0
    while waiting or running:
        while waiting and len(running) < options.at_a_time:
            seed = waiting.pop(0)
            number = pipeline.exchange.play(script_of(seed, options.script_seconds))
            running.append(_Running(seed, number))
        pause()
        pipeline.note_processes()
        played = pipeline.exchange.played()
        for script in running:
            if script.ended_at is None and played[script.number].finished:
                script.end(pipeline.exchange.known(symbols_of(script.seed)), time.monotonic())
        if time.monotonic() - looked_at < LOOK_AT_SILVER_EVERY_SECONDS:
            continue
        counts = pipeline.counts()
        looked_at = time.monotonic()
        for script in [script for script in running if _is_due(script, counts, options, looked_at)]:
            assert script.ended_at is not None
            symbols = _judge(script, pipeline)
            waited_seconds = looked_at - script.ended_at
            if not all(symbol.is_green for symbol in symbols) and waited_seconds < options.settle_seconds:
                continue  # later ids made up the number
            running.remove(script)
            verdicts.append(ScriptVerdict(script.seed, symbols, played[script.number].happened, waited_seconds))
            say(verdicts[-1].line)
    return verdicts


def _is_due(script: _Running, counts: dict[str, int], options: TrialOptions, now: float) -> bool:
    if script.ended_at is None:
        return False
    has_enough = all(counts.get(symbol, 0) >= expected for symbol, expected in script.expected().items())
    return has_enough or now - script.ended_at >= options.settle_seconds


def _judge(script: _Running, pipeline: TrialPipeline) -> tuple[SymbolVerdict, ...]:
    held = pipeline.held(tuple(script.spans))
    verdicts = []
    for symbol, known in script.spans.items():
        assert known.first_sent_id is not None, symbol
        assert known.last_id is not None, symbol
        existing = pipeline.exchange.trades(symbol, known.first_sent_id, known.last_id)
        assert len(existing) == script.expected()[symbol], "the exchange contradicts itself"
        verdicts.append(judge(symbol, existing, [row for row in held[symbol] if row.agg_id <= known.last_id]))
    return tuple(verdicts)


def _absent(known: Known) -> int:
    assert known.last_id is not None
    return sum(last - first + 1 for first, last in known.holes if last < known.last_id)
