from firehose_dagster.simulator.fault_kinds import RestEmpty, RestSlow, RestStatus
from firehose_dagster.simulator.rest_faults import RestFaults


def kinds(faults: RestFaults, name: str = "aggTrades", symbol: str = "A") -> list[str]:
    return [fault.kind for fault in faults.of_request(name, symbol)]


def test_a_count_is_used_up_by_the_requests_that_fit() -> None:
    faults = RestFaults(lambda: 0)
    faults.set(RestEmpty(symbols=("A",), count=2))
    assert kinds(faults, symbol="B") == []
    assert kinds(faults, name="exchangeInfo") == []
    assert [kinds(faults) for _ in range(3)] == [["rest-empty"], ["rest-empty"], []]


def test_without_symbols_every_path_is_hit() -> None:
    faults = RestFaults(lambda: 0)
    faults.set(RestStatus(status=503))
    assert kinds(faults, name="exchangeInfo", symbol="") == ["rest-status"]


def test_with_seconds_all_requests_until_then_are_hit() -> None:
    now_us = 0
    faults = RestFaults(lambda: now_us)
    faults.set(RestSlow(delay_seconds=1, seconds=2))
    assert [kinds(faults) for _ in range(3)] == [["rest-slow"]] * 3
    now_us = 2_000_000
    assert kinds(faults) == []


def test_faults_of_one_kind_come_one_after_the_other_and_of_two_kinds_together() -> None:
    faults = RestFaults(lambda: 0)
    faults.set(RestStatus(status=429))
    faults.set(RestStatus(status=500))
    faults.set(RestSlow(delay_seconds=1))
    first, second = faults.of_request("aggTrades", "A")
    assert (getattr(first, "status", None), second.kind) == (429, "rest-slow")
    (third,) = faults.of_request("aggTrades", "A")
    assert getattr(third, "status", None) == 500
    assert faults.status() == []
