"""The code server killed under a running stream: its worker lives on, no second one comes, and a dead one is noticed.

One demo serves all tests of this module, in their order.
"""

from collections.abc import Iterator

import httpx
import psutil
import pytest

from firehose_dagster.local.dagster_home import LOCATION_NAME
from firehose_dagster.local.dagster_runs import STREAMS_JOB
from firehose_dagster.settings import Settings
from firehose_dagster.streams.lease import lease_is_held, lease_owner
from firehose_dagster_tests.chaos.kills import pid_with
from firehose_dagster_tests.demo.running_demo import RunningDemo, running_demo, until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.long, pytest.mark.timeout(900)]

GOING_ON = ("QUEUED", "NOT_STARTED", "STARTING", "STARTED", "CANCELING")


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDemo]:
    with running_demo(tmp_path_factory.mktemp("orphan") / "home") as running:
        yield running


def test_the_stream_outlives_its_code_server_and_the_restarted_one_starts_no_second(demo: RunningDemo) -> None:
    (run_id,) = _going_on(demo)
    pid = demo.stream_pid()
    before = _newest_tick(demo)[0]
    _kill_code_server(demo)
    rows = demo.progress().rows_in
    _until_seen(demo, run_id, before)
    until(lambda: demo.progress().rows_in > rows, "the stream did not go on")
    assert _going_on(demo) == [run_id]
    assert demo.stream_pid() == pid
    assert _writers(demo.settings) == [pid]


def test_a_stream_without_its_code_server_ends_where_a_person_marks_its_run_as_cancelled(demo: RunningDemo) -> None:
    (run_id,) = _going_on(demo)
    pid = demo.stream_pid()
    mark = """mutation M($ids: [String!]!) {
      terminateRuns(runIds: $ids, terminatePolicy: MARK_AS_CANCELED_IMMEDIATELY) { __typename } }"""
    demo.ask(mark, ids=[run_id])
    until(lambda: not lease_is_held(demo.settings), "the stream did not end")
    until(lambda: _has_ended(pid), "its process did not end")
    until(lambda: "terminated by a person" in _newest_tick(demo)[1], "the sensor did not leave it off")
    assert _going_on(demo) == []
    demo.launch(STREAMS_JOB)
    until(lambda: lease_is_held(demo.settings), "the stream was not started again")
    assert demo.status_of(run_id) == "CANCELED"


def test_a_stream_that_dies_with_its_code_server_is_closed_by_the_lease_and_comes_again(demo: RunningDemo) -> None:
    (run_id,) = _going_on(demo)
    _until_seen(demo, run_id, _newest_tick(demo)[0])
    pid = demo.stream_pid()
    _kill_code_server(demo, and_pid=pid)
    until(lambda: demo.status_of(run_id) == "FAILURE", "the dead run was not closed")
    until(lambda: demo.stream_pid() != pid and demo.progress().batches > 0, "no stream came again")
    assert len(_going_on(demo)) == 1
    assert _writers(demo.settings) == [demo.stream_pid()]


def test_after_all_this_every_promise_holds(demo: RunningDemo) -> None:
    # A heal may still be under way when the question is asked first.
    until(lambda: demo.firehose("verify", "--format", "json").returncode == 0, "verify found a breach")


def _kill_code_server(demo: RunningDemo, and_pid: int | None = None) -> None:
    """Kill it, and this process in the same moment; wait until the supervisor has it running again."""
    killed = pid_with(demo.settings, "grpc")
    assert killed is not None
    psutil.Process(killed).kill()
    if and_pid is not None:
        psutil.Process(and_pid).kill()
    until(lambda: pid_with(demo.settings, "grpc") not in (None, killed), "the code server was not started again")


def _until_seen(demo: RunningDemo, run_id: str, before: str) -> None:
    """Until the sensor has looked at the run, in a tick behind the one with the id `before`."""

    def seen() -> bool:
        tick, reason = _newest_tick(demo)
        return tick not in ("", before) and reason == f"run {run_id} is STARTED"

    until(seen, "the sensor did not look at the run")


def _has_ended(pid: int) -> bool:
    """Also where nobody took note of its end: its parent is dead."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def _going_on(demo: RunningDemo) -> list[str]:
    return [run["runId"] for run in demo.runs(STREAMS_JOB) if run["status"] in GOING_ON]


def _newest_tick(demo: RunningDemo) -> tuple[str, str]:
    """Its id, and why it launched nothing; empty while the code server is away."""
    query = """query T($sensor: SensorSelector!) { sensorOrError(sensorSelector: $sensor) {
      ... on Sensor { sensorState { ticks(limit: 1) { tickId skipReason } } } } }"""
    sensor = {
        "repositoryLocationName": LOCATION_NAME,
        "repositoryName": "__repository__",
        "sensorName": "streams_keep_alive",
    }
    request = {"query": query, "variables": {"sensor": sensor}}
    data = httpx.post(f"{demo.url}/graphql", json=request, timeout=30).json().get("data") or {}
    ticks = (data.get("sensorOrError") or {}).get("sensorState", {}).get("ticks", [])
    return (str(ticks[0]["tickId"]), str(ticks[0]["skipReason"])) if ticks else ("", "")


def _writers(settings: Settings) -> list[int]:
    """The processes of this home that run a Spark driver; the lease's owner must be among them."""
    owner = lease_owner(settings)
    assert owner is not None
    drivers = [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("SparkSubmit" in word for word in process.info["cmdline"] or [])
        and _environment(process).get("FIREHOSE_HOME") == str(settings.home)
    ]
    hosts = sorted({parent.pid for driver in drivers for parent in driver.parents()} & {owner.pid})
    assert len(drivers) == 1, drivers
    return hosts


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}
