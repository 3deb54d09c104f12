"""The real query on a real topic, in this process: foreachBatch into every table, and starts that only silver decides.

One JVM, the session's; the other tests of the pipeline start processes of their own.
"""

import gc
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession

from firehose_dagster.contracts.position import OFFSETS_LOST, Position
from firehose_dagster.settings import Settings
from firehose_dagster.streams.host import run_streams
from firehose_dagster.streams.lease import lease_is_held
from firehose_dagster.streams.progress import StreamProgress
from firehose_dagster.streams.query import StreamFailedError
from firehose_dagster.streams.silver_layer import SilverLayer
from firehose_dagster.streams.topic_offsets import TopicUnusableError, read_offsets
from firehose_dagster_tests.pipeline.topic import Pipeline, encoded
from firehose_dagster_tests.streams.scenario import new_scenario, trade, trades

pytestmark = [pytest.mark.spark, pytest.mark.stack]

MakePipeline = Callable[[str], Pipeline]


@dataclass
class Stream:
    """A lake on a topic, and a session to fill it with."""

    pipeline: Pipeline
    session: SparkSession

    def run(self, **settings: str) -> StreamProgress:
        """The host, to the topic's end."""
        changed = self.pipeline.settings.model_copy(update=settings)
        return run_streams(changed, threading.Event(), until_caught_up=True, session=self.session)

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.pipeline.query(f"SELECT count(*)::BIGINT AS n FROM {table}")[0]["n"])  # noqa: S608 a name of the contract

    def position(self) -> dict[int, int]:
        """The offset after the last one in the topic, of each partition."""
        topic = read_offsets(self.pipeline.settings)
        assert topic is not None
        return dict(topic.ends)

    def require_no_record_read_twice(self) -> None:
        """Each batch began where the one before it ended; and the lake is proven."""
        told = self.pipeline.query("SELECT offsets_start, offsets_end FROM ops_audit ORDER BY started_at")
        reached: dict[int, int] = {}
        for batch in told:
            for partition, start in Position.from_json(batch["offsets_start"]).offsets.items():
                assert start == reached.get(partition, 0), told
            reached |= Position.from_json(batch["offsets_end"]).offsets
        assert reached == self.position()
        self.pipeline.require_proven()


@pytest.fixture(scope="module")
def make_stream(make_pipeline: MakePipeline, spark: SparkSession) -> Callable[[str], Stream]:
    def make(name: str) -> Stream:
        pipeline = make_pipeline(name)
        pipeline.make_topic()
        return Stream(pipeline, new_scenario(spark, pipeline.settings).spark)

    return make


@pytest.fixture(autouse=True)
def _sockets() -> Iterator[None]:
    yield
    gc.collect()  # here, where the sockets that py4j left are expected


@pytest.fixture(scope="module")
def stream(make_stream: Callable[[str], Stream], tmp_path_factory: pytest.TempPathFactory) -> Stream:
    """With 40 trades in two partitions, a duplicate, a conflict and a record that is none taken from its topic."""
    made = make_stream("first")
    made.pipeline.produce(
        encoded([*trades(1, 20), *trades(1, 20, symbol="ETHUSDT"), trade(3, 1), trade(4, 1.5, qty="9")])
    )
    made.pipeline.produce([("BTCUSDT", b"no trade")])
    made.run()
    return made


def _older_copy(stream: Stream) -> None:
    """The checkpoint as it was before two more trades, put back after them."""
    folder = stream.pipeline.settings.checkpoint_dir
    kept = folder.with_name("older")
    shutil.copytree(folder, kept)
    _two_more(stream)
    stream.run()
    shutil.rmtree(folder)
    kept.rename(folder)


def _lost(stream: Stream) -> None:
    shutil.rmtree(stream.pipeline.settings.checkpoint_dir)


def _torn(stream: Stream) -> None:
    for path in _files(stream, "offsets/*"):
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def _without_metadata(stream: Stream) -> None:
    for path in _files(stream, "metadata"):
        path.unlink()


def _files(stream: Stream, pattern: str) -> list[Path]:
    found = [path for path in stream.pipeline.settings.checkpoint_dir.glob(f"*/{pattern}") if path.is_file()]
    assert found, pattern
    return found


def _two_more(stream: Stream) -> None:
    (row,) = stream.pipeline.query("SELECT max(agg_id) AS last FROM crypto_silver_trades WHERE symbol = 'BTCUSDT'")
    stream.pipeline.produce(encoded(trades(row["last"] + 1, row["last"] + 2, minute=row["last"])))


def test_records_of_a_real_topic_go_through_foreach_batch_into_every_table(stream: Stream) -> None:
    # 20 and 20 trades, a duplicate, a conflict, and what is no trade.
    assert stream.pipeline.query(
        "SELECT count(*)::INT AS n FROM crypto_bronze_aggtrade "
        "WHERE raw IS NOT NULL OR event_ts < '2026-01-05 09:50:00+00'"
    ) == [{"n": 43}]
    assert stream.pipeline.query("SELECT reasons[1] AS reason FROM crypto_quarantine ORDER BY 1") == [
        {"reason": "message_is_a_flat_json_object"},
        {"reason": "same_id_has_same_content"},
    ]
    assert stream.pipeline.query("SELECT sum(duplicates)::INT AS n FROM ops_audit") == [{"n": 1}]
    # Ten minutes of two symbols, two trades each.
    gold = stream.pipeline.query(
        "SELECT symbol, count(*)::INT AS minutes, sum(trades)::INT AS trades FROM crypto_gold_minute "
        "WHERE minute < '2026-01-05 09:50:00+00' GROUP BY 1 ORDER BY 1"
    )
    assert gold == [{"symbol": symbol, "minutes": 10, "trades": 20} for symbol in ("BTCUSDT", "ETHUSDT")]
    stream.require_no_record_read_twice()


@pytest.mark.parametrize(
    "spoil",
    [_torn, *(pytest.param(each, marks=pytest.mark.slow) for each in (_lost, _older_copy, _without_metadata))],
)
def test_a_start_does_not_care_what_became_of_the_old_checkpoint(
    stream: Stream, spoil: Callable[[Stream], None]
) -> None:
    before = stream.count("crypto_silver_trades")
    spoil(stream)
    taken = stream.count("crypto_silver_trades")
    _two_more(stream)
    shown = stream.run()
    assert (shown.rows_in, shown.silver, shown.duplicates) == (2, 2, 0)
    assert stream.count("crypto_silver_trades") == taken + 2 <= before + 4
    stream.require_no_record_read_twice()


def test_a_stream_holds_the_lease_while_it_writes(stream: Stream) -> None:
    settings = stream.pipeline.settings
    held: list[bool] = []
    _two_more(stream)
    run_streams(
        settings,
        threading.Event(),
        until_caught_up=True,
        session=stream.session,
        on_batch=lambda *_: held.append(lease_is_held(settings)),
    )
    assert set(held) == {True}
    assert not lease_is_held(settings)


def test_a_lake_of_one_topic_is_not_filled_from_another(stream: Stream, make_pipeline: MakePipeline) -> None:
    other = make_pipeline("other")
    other.make_topic()
    with pytest.raises(TopicUnusableError, match=r"filled from topic trades\.first, FIREHOSE_TOPIC is trades\.other: "):
        stream.run(topic=other.settings.topic)
    stream.require_no_record_read_twice()


def test_a_topic_made_anew_is_refused_by_its_id_before_anything_is_written(
    make_stream: Callable[[str], Stream],
) -> None:
    made = make_stream("anew")
    settings = made.pipeline.settings
    made.pipeline.produce(encoded(trades(1, 4)))
    made.run()
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    admin.delete_topics([settings.topic], operation_timeout=30)[settings.topic].result(30)
    _made_again(made.pipeline)
    # As many records as before and more: by their offsets alone they would fit.
    made.pipeline.produce(encoded(trades(11, 20, minute=9)))
    with pytest.raises(TopicUnusableError, match=r"topic trades.anew was made anew: .* use a new home"):
        made.run()
    assert (made.count("crypto_bronze_aggtrade"), made.count("crypto_silver_trades")) == (4, 4)
    made.pipeline.require_proven()


def test_records_that_retention_took_unread_are_refused_or_skipped_with_one_incident(
    make_stream: Callable[[str], Stream],
) -> None:
    made = make_stream("retention")
    settings = made.pipeline.settings
    made.pipeline.produce(encoded(trades(1, 4)))
    made.run()
    (partition,) = (partition for partition, end in made.position().items() if end == 4)
    # What the tables hold may go.
    _retain_from(settings, partition, 4)
    made.pipeline.produce([("BTCUSDT", b"no trade")] * 3)
    made.pipeline.produce(encoded(trades(5, 6, minute=2)))
    _retain_from(settings, partition, 7)
    with pytest.raises(TopicUnusableError, match=rf"removed 3 records .*partition {partition} offsets 4 to 6\."):
        made.run()
    assert made.count("crypto_silver_trades") == 4
    assert made.run(lost_offsets="skip").silver == 2
    made.run()
    incidents = made.pipeline.query(f"SELECT offsets_start, offsets_end FROM ops_audit WHERE kind = '{OFFSETS_LOST}'")  # noqa: S608 a constant
    assert [
        (msgspec.json.decode(row["offsets_start"]), msgspec.json.decode(row["offsets_end"])) for row in incidents
    ] == [({settings.topic: {str(partition): 4}}, {settings.topic: {str(partition): 7}})]
    made.pipeline.require_proven()


def test_what_the_topic_lost_while_silver_failed_is_taken_from_bronze(
    make_stream: Callable[[str], Stream], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_stream("outlived")
    made.pipeline.produce(encoded(trades(1, 4)))
    made.run()
    made.pipeline.produce(encoded(trades(5, 8, minute=2)))

    def refused(*_: object) -> None:
        raise OSError("silver takes nothing")

    with monkeypatch.context() as patched:
        patched.setattr(SilverLayer, "merge", refused)
        with pytest.raises(StreamFailedError, match=r"silver takes nothing.* Bronze holds the topic"):
            made.run()
    assert (made.count("crypto_bronze_aggtrade"), made.count("crypto_silver_trades")) == (8, 4)
    (partition,) = (partition for partition, end in made.position().items() if end == 8)
    _retain_from(made.pipeline.settings, partition, 8)
    assert made.run().silver == 4
    assert made.count("crypto_silver_trades") == 8
    made.pipeline.require_proven()


def _retain_from(settings: Settings, partition: int, offset: int) -> None:
    """What is before the offset leaves the topic."""
    place = TopicPartition(settings.topic, partition, offset)
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    admin.delete_records([place])[place].result(30)


def _made_again(pipeline: Pipeline) -> None:
    """The broker may need a moment to let go of the name."""
    for _ in range(100):
        try:
            pipeline.make_topic()
        except KafkaException:
            threading.Event().wait(0.1)
        else:
            return
    pipeline.make_topic()
