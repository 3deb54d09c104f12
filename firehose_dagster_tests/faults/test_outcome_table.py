from firehose_dagster.simulator.fault_kinds import Abort, RestStatus, Skip
from firehose_dagster_tests.faults.exchange_control import Happened
from firehose_dagster_tests.faults.outcome_table import outcome_rows
from firehose_dagster_tests.faults.test_verdict import EXISTING
from firehose_dagster_tests.faults.trials import ScriptVerdict, TrialResults
from firehose_dagster_tests.faults.verdict import judge

GREEN = judge("A", EXISTING, EXISTING)
RED = judge("A", EXISTING, EXISTING[1:])


def happened(*faults: Abort | RestStatus | Skip) -> tuple[Happened, ...]:
    return tuple(Happened(0.0, fault, {}) for fault in faults)


def test_each_fault_is_counted_with_the_outcome_of_its_scripts() -> None:
    verdicts = [
        ScriptVerdict(1, (GREEN, GREEN), happened(Abort(), Skip(count=1), Skip(count=2)), 1.0),
        ScriptVerdict(2, (GREEN, RED), happened(Skip(count=1), RestStatus(status=429)), 1.0),
    ]
    assert outcome_rows(verdicts) == [("abort", 1, 1, 0), ("rest-status 429", 1, 0, 1), ("skip", 3, 1, 1)]
    assert verdicts[0].line == "seed 1: green, 10 trades, 1 s after its end"
    assert verdicts[1].line == "seed 2: RED: A: 1 missing (5)"


def results(*, breaches: tuple[str, ...] = (), bans: int = 0, symbols: tuple[object, ...] = (GREEN,)) -> TrialResults:
    return TrialResults(
        verdicts=(ScriptVerdict(7, symbols, (), 1.0),),  # type: ignore[arg-type]  # verdicts
        breaches=breaches,
        violations={"bans": bans},
        gateway_processes=1,
        streams_processes=1,
        highest_weight=4,
        rest_requests=1,
        connection_attempts=1,
    )


def test_a_run_is_green_only_with_every_verdict_the_oracle_and_the_rules() -> None:
    assert results().is_green
    assert not results(breaches=("silver_is_contiguous: ...",)).is_green
    assert not results(bans=1).is_green
    red = results(symbols=(GREEN, RED))
    assert (red.is_green, red.red_seeds) == (False, (7,))
