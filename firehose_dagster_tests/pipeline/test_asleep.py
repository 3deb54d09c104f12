"""Stream and gateway asleep while the world goes on, as under a laptop's lid: nothing is lost, nothing comes twice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from firehose_dagster.local.programs import GATEWAY, STREAMS
from firehose_dagster.settings import Settings
from firehose_dagster.streams.lease import lease_is_held, lease_owner
from firehose_dagster.streams.progress import read_progress
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.chaos.kill_trials import took_a_batch_since
from firehose_dagster_tests.chaos.kills import jvm_of
from firehose_dagster_tests.faults.trial_pipeline import TrialPipeline, running_pipeline
from firehose_dagster_tests.faults.waiting import wait_until

pytestmark = [pytest.mark.chaos, pytest.mark.slow, pytest.mark.long, pytest.mark.stack, pytest.mark.timeout(1_200)]

SYMBOLS = ("BTCUSDT", "ETHUSDT", "SOLUSDT")
PATIENCE_SECONDS = 240.0
ASLEEP = timedelta(seconds=130)
"""Kafka's consumers are given up after 45 s, a gateway's status after 30 s, Spark's executors after 120 s without a
heartbeat. The exchange closes a connection whose pings go unanswered for 60 s."""


def test_stream_and_gateway_that_slept_go_on_and_nothing_is_lost_or_written_twice(tmp_path: Path) -> None:
    with running_pipeline(tmp_path / "home", SYMBOLS, len(SYMBOLS), 30.0, print) as pipeline:
        settings, exchange = pipeline.settings, pipeline.exchange
        assert wait_until(lambda: pipeline.counts().keys() >= {*SYMBOLS}, PATIENCE_SECONDS), "no trade came to silver"
        before = exchange.known(SYMBOLS)
        sleepers = _processes(pipeline)
        try:
            for each in sleepers:
                each.suspend()
            assert wait_until(lambda: exchange.status()["violations"]["pong_timeouts"] > 0, PATIENCE_SECONDS)
            assert wait_until(lambda: _silent_for(settings) > ASLEEP, PATIENCE_SECONDS)
        finally:
            for each in sleepers:
                each.resume()
        woken_at, missed = datetime.now(UTC), exchange.known(SYMBOLS)
        assert all((missed[each].last_id or 0) > (before[each].last_id or 0) + 100 for each in SYMBOLS)
        assert wait_until(lambda: took_a_batch_since(settings, woken_at), PATIENCE_SECONDS), _logs(pipeline)
        assert lease_is_held(settings)
        owner, stream_pid = lease_owner(settings), pipeline.installation.states()[STREAMS].pid
        assert owner is not None
        assert owner.pid == stream_pid
        assert _drivers(settings) == [jvm_of(stream_pid)]
        pipeline.end(PATIENCE_SECONDS, heals=True)
        held = pipeline.held(SYMBOLS)
    for symbol, known in missed.items():
        assert known.first_sent_id is not None
        assert known.last_id is not None
        ids = [each.agg_id for each in held[symbol]]
        assert len(ids) == len({*ids})
        assert {*ids} >= {*range(known.first_sent_id, known.last_id + 1)}, symbol
    report = verify(settings)
    assert report.ok, [(check.name, check.examples) for check in report.checks if not check.ok]


def _processes(pipeline: TrialPipeline) -> list[psutil.Process]:
    """Gateway, the stream's host, its JVM."""
    states = pipeline.installation.states()
    jvm_pid = jvm_of(states[STREAMS].pid)
    assert jvm_pid is not None
    return [psutil.Process(pid) for pid in (states[GATEWAY].pid, states[STREAMS].pid, jvm_pid)]


def _silent_for(settings: Settings) -> timedelta:
    progress = read_progress(settings)
    assert progress is not None
    return datetime.now(UTC) - progress.updated_at


def _drivers(settings: Settings) -> list[int]:
    """Every Spark driver of this home: what may write."""
    return [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if any("SparkSubmit" in word for word in process.info["cmdline"] or [])
        and _environment(process).get("FIREHOSE_HOME") == str(settings.home)
    ]


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except psutil.Error:
        return {}


def _logs(pipeline: TrialPipeline) -> str:
    return "\n".join(pipeline.installation.log_path(each).read_text()[-3_000:] for each in (GATEWAY, STREAMS))
