import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from firehose_dagster.simulator.fault_kinds import AnyFault, Fault, RestStatus, Skip
from firehose_dagster.simulator.fault_script import LONGEST_DISTURBANCE_SECONDS, TimedFault, fault_script

SYMBOLS = ("AUSDT", "BUSDT", "CUSDT")
KINDS = {kind.__name__ for kind in AnyFault.__args__}


@settings(deadline=None)
@given(st.integers(0, 2**63), st.floats(10, 600))
def test_a_script_is_a_function_of_its_arguments_in_order_within_its_duration(seed: int, seconds: float) -> None:
    script = fault_script(seed, SYMBOLS, seconds)
    assert script == fault_script(seed, list(SYMBOLS), seconds)
    times = [timed.at_seconds for timed in script]
    assert times == sorted(times)
    assert 0 <= times[0] <= times[-1] <= seconds + 0.001


@settings(deadline=None)
@given(st.integers(0, 2**63))
def test_every_script_has_several_faults_over_all_its_symbols_and_loses_trades(seed: int) -> None:
    script = fault_script(seed, SYMBOLS)
    assert len({timed.fault.kind for timed in script}) >= 4
    assert {symbol for timed in script for symbol in timed.fault.symbols} == set(SYMBOLS)
    assert isinstance(script[-1].fault, Skip)
    assert all(timed.fault.symbols for timed in script), "a fault without symbols would hit other scripts"
    lasting = [getattr(timed.fault, "seconds", None) for timed in script if timed.fault.kind in ("mute", "delay")]
    assert all(seconds is not None and 0 < seconds <= LONGEST_DISTURBANCE_SECONDS for seconds in lasting)


def test_a_hundred_seeds_use_every_kind_and_every_refusal() -> None:
    faults = [timed.fault for seed in range(100) for timed in fault_script(seed, SYMBOLS)]
    assert {type(fault).__name__ for fault in faults} == KINDS
    assert {403, 418, 429} <= {fault.status for fault in faults if isinstance(fault, RestStatus)}


def test_a_script_is_known_by_heart() -> None:
    """Replaying a seed of an old report must give the old faults: a change here is a change of all seeds."""
    first = fault_script(1, SYMBOLS)
    assert [(timed.at_seconds, timed.fault.kind) for timed in first] == [
        (1.109, "close"),
        (9.843, "rest-slow"),
        (14.561, "malformed"),
        (15.795, "delay"),
        (24.525, "reorder"),
        (25.672, "skip"),
    ]


@pytest.mark.parametrize("kind", AnyFault.__args__)
def test_a_fault_reads_back_from_its_json(kind: type[Fault]) -> None:
    required = {"count": 2, "seconds": 3.0, "status": 503, "delay_seconds": 1.0}
    fields = {field.name: required[field.name] for field in msgspec.structs.fields(kind) if field.required}
    fault = kind(symbols=("AUSDT",), **fields)
    timed = TimedFault(1.5, fault)  # type: ignore[arg-type]  # each is one of the union
    assert msgspec.json.decode(msgspec.json.encode(timed), type=TimedFault) == timed
    assert msgspec.to_builtins(fault)["kind"] == fault.kind
