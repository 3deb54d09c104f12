"""Whichever layer fails under a running host: two tries, then bronze goes on alone until that layer is well again.

The host runs in a thread of this process, on the session's JVM and a real topic.
"""

import gc
import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import OFFSETS, Position
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import QUARANTINE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import lineage, stamp
from firehose_dagster.streams import layer_failures
from firehose_dagster.streams.batch_audit import AuditBuffer
from firehose_dagster.streams.bronze_pass import BronzePass
from firehose_dagster.streams.bronze_replay import replay_from_bronze
from firehose_dagster.streams.host import run_streams
from firehose_dagster.streams.progress import StreamProgress, read_progress
from firehose_dagster.streams.silver_layer import SilverLayer
from firehose_dagster.streams.topic_offsets import read_offsets
from firehose_dagster.streams.trade_pass import TradePass
from firehose_dagster_tests.faults.waiting import wait_until
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded
from firehose_dagster_tests.streams.scenario import new_scenario, trade, trades
from firehose_dagster_tests.transforms.bad_messages import BAD_MESSAGES

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.slow]

MakePipeline = Callable[[str], Pipeline]
TRY, ALONE = "a try", "bronze alone"
STEPS: dict[str, tuple[Table, tuple[tuple[type, str], ...]]] = {
    "silver": (SILVER, ((SilverLayer, "merge"),)),
    "quarantine": (QUARANTINE, ((TradePass, "_append_quarantine"),)),
    # The next start writes what the last one had not: where one cannot, neither can the other.
    "audit": (OPS_AUDIT, ((AuditBuffer, "add"), (AuditBuffer, "rebuild"))),
}
PATIENCE_SECONDS = 120.0
slow = pytest.mark.slow


@dataclass
class Layer:
    """One that can be broken; what was tried on it while it was, in order."""

    is_broken: bool = False
    trail: list[str] = field(default_factory=list)
    when_alone: Callable[[], None] = lambda: None

    def refusing(self, step: Callable[..., Any]) -> Callable[..., Any]:
        def tried(*arguments: Any) -> Any:
            if self.is_broken:
                self.trail.append(TRY)
                raise OSError("no room")
            return step(*arguments)

        return tried

    def noting(self, start: Callable[..., None]) -> Callable[..., None]:
        def noted(*arguments: Any) -> None:
            self.trail.append(ALONE)
            self.when_alone()
            start(*arguments)

        return noted

    def alone(self) -> int:
        """How often bronze went on alone."""
        return self.trail.count(ALONE)


@pytest.fixture
def layer(monkeypatch: pytest.MonkeyPatch, failing: str) -> Layer:
    """The one that is to fail, tried again after two seconds."""
    made = Layer()
    for owner, name in STEPS[failing][1]:
        monkeypatch.setattr(owner, name, made.refusing(getattr(owner, name)))
    monkeypatch.setattr(BronzePass, "__init__", made.noting(BronzePass.__init__))
    monkeypatch.setattr(layer_failures, "FIRST_PAUSE_SECONDS", 2.0)
    monkeypatch.setattr(layer_failures, "LONGEST_PAUSE_SECONDS", 2.0)
    return made


@pytest.mark.parametrize(
    ("failing", "topic_loses_it"),
    [
        pytest.param("silver", True, id="silver, and the topic loses what it missed"),
        pytest.param("silver", False, id="silver", marks=slow),
        pytest.param("quarantine", False, id="quarantine", marks=slow),
        pytest.param("audit", False, id="audit", marks=slow),
    ],
)
def test_bronze_goes_on_after_two_tries_of_a_layer_which_comes_back_by_itself(
    make_pipeline: MakePipeline,
    spark: SparkSession,
    monkeypatch: pytest.MonkeyPatch,
    layer: Layer,
    failing: str,
    topic_loses_it: bool,
) -> None:
    replays: list[int] = []
    monkeypatch.setattr("firehose_dagster.streams.host.replay_from_bronze", _counted(replay_from_bronze, replays))
    pipeline = make_pipeline(f"fails.{failing}.{topic_loses_it}")
    pipeline.make_topic()
    bad = [("BTCUSDT", each.value) for each in BAD_MESSAGES]
    pipeline.produce(encoded(trades(1, 20)))
    with _running(pipeline, spark) as until:
        until(lambda: _has_taken(pipeline, 20))
        layer.is_broken = True
        pipeline.produce([*encoded([*trades(21, 30, minute=10), trade(3, 1)]), bad[0]])
        until(lambda: layer.alone() > 0)
        assert layer.trail[:3] == [TRY, TRY, ALONE]
        assert (_progress(pipeline).failing or "").startswith(f"{STEPS[failing][0].name} failed: OSError: no room")
        pipeline.produce([*encoded(trades(31, 40, minute=15)), *bad[1:]])
        until(lambda: _count(pipeline, "crypto_bronze_aggtrade") == 41 + len(bad))
        if topic_loses_it:
            layer.when_alone = lambda: _empty_the_topic(pipeline)
        # Each pause ends with one try.
        tried = layer.alone() + 2
        until(lambda: layer.alone() >= tried)
        layer.is_broken = False
        until(lambda: _count(pipeline, "crypto_silver_trades") == 40)
        until(lambda: _progress(pipeline).failing is None)
        # As if nothing had been.
        pipeline.produce(encoded(trades(41, 50, minute=20)))
        until(lambda: _count(pipeline, "crypto_silver_trades") == 50)
    assert layer.trail == [TRY, *[TRY, ALONE] * layer.alone()]
    assert replays == ([1] if topic_loses_it else [])
    assert _count(pipeline, "crypto_bronze_aggtrade") == 51 + len(bad)
    assert _count(pipeline, "crypto_quarantine") == len(bad)
    _require_ascending_offsets(pipeline)
    pipeline.require_proven()


@contextmanager
def _running(pipeline: Pipeline, spark: SparkSession) -> Iterator[Callable[[Callable[[], bool]], None]]:
    """A host until the end of the block; gives how to wait while it runs."""
    stop = threading.Event()

    def hosted() -> StreamProgress:
        # Here, for a session is the active one of the thread that made it.
        session = new_scenario(spark, pipeline.settings).spark
        return run_streams(pipeline.settings, stop, until_caught_up=False, session=session)

    with ThreadPoolExecutor(1) as threads:
        running: Future[StreamProgress] = threads.submit(hosted)

        def until(condition: Callable[[], bool]) -> None:
            assert wait_until(lambda: running.done() or condition(), PATIENCE_SECONDS), read_progress(pipeline.settings)
            if running.done():
                pytest.fail(f"the host ended: {running.exception() or running.result()}")

        try:
            yield until
        finally:
            stop.set()
    running.result()
    gc.collect()  # here, where the sockets that py4j left are expected


def _counted(step: Callable[..., int], batches: list[int]) -> Callable[..., int]:
    def counted(*arguments: Any) -> int:
        batches.append(step(*arguments))
        return batches[-1]

    return counted


def _empty_the_topic(pipeline: Pipeline) -> None:
    """As its retention would, of all that it holds; bronze has it."""
    topic = read_offsets(pipeline.settings)
    assert topic is not None
    places = [TopicPartition(pipeline.settings.topic, partition, end) for partition, end in topic.ends.items()]
    admin = AdminClient({"bootstrap.servers": pipeline.settings.bootstrap_servers})
    for deleted in admin.delete_records(places).values():
        deleted.result(30)


def _require_ascending_offsets(pipeline: Pipeline) -> None:
    """Each of silver's commits is behind the one before it, in no partition before it."""
    table = open_catalog(pipeline.settings).load_table(SILVER.identifier)
    newest_first = [Position.from_json(text) for each in lineage(table) if (text := stamp(each, OFFSETS))]
    assert len(newest_first) > 2
    for later, earlier in itertools.pairwise(newest_first):
        assert later.covers(earlier.offsets), (earlier, later)
        assert later.offsets != earlier.offsets


def _count(pipeline: Pipeline, table: str) -> int:
    return int(pipeline.query(f"SELECT count(*)::BIGINT AS n FROM {table}")[0]["n"])  # noqa: S608 a name of the contract


def _has_taken(pipeline: Pipeline, rows: int) -> bool:
    """Through all layers, since the host's start."""
    progress = read_progress(pipeline.settings)
    return progress is not None and progress.silver == rows


def _progress(pipeline: Pipeline) -> StreamProgress:
    progress = read_progress(pipeline.settings)
    assert progress is not None
    return progress
