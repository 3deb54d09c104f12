"""The real query on a real topic, in this process: one JVM, the session's; and what may happen to a topic."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import pytest
from confluent_kafka import KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient
from pyspark.sql import SparkSession

from firehose_dagster.contracts.position import Position
from firehose_dagster.settings import Settings
from firehose_dagster.streams.host import OnFailure, run_streams
from firehose_dagster.streams.progress import StreamProgress
from firehose_dagster.streams.silver_layer import SilverLayer
from firehose_dagster.streams.topic_offsets import read_offsets
from firehose_dagster_tests.pipeline.topic import Pipeline
from firehose_dagster_tests.streams.scenario import new_scenario

MakePipeline = Callable[[str], Pipeline]
MakeStream = Callable[[str], "Stream"]


@dataclass
class Stream:
    """A lake on a topic, and a session to fill it with."""

    pipeline: Pipeline
    session: SparkSession

    def run(self, on_failure: OnFailure | None = None, **settings: str) -> StreamProgress:
        """The host, to the topic's end."""
        changed = self.pipeline.settings.model_copy(update=settings)
        return run_streams(
            changed, threading.Event(), until_caught_up=True, session=self.session, on_failure=on_failure
        )

    def count(self, table: str) -> int:
        """Rows of a table."""
        return int(self.pipeline.query(f"SELECT count(*)::BIGINT AS n FROM {table}")[0]["n"])  # noqa: S608 a name of the contract

    def bronze_and_silver(self) -> tuple[int, int]:
        """Rows of both."""
        return self.count("crypto_bronze_aggtrade"), self.count("crypto_silver_trades")

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


def new_stream(pipeline: Pipeline, spark: SparkSession) -> Stream:
    """On a topic with nothing in it."""
    pipeline.make_topic()
    return Stream(pipeline, new_scenario(spark, pipeline.settings).spark)


@contextmanager
def silver_takes_nothing() -> Iterator[None]:
    """Within, each merge fails."""

    def refused(*_: object) -> None:
        raise OSError("silver takes nothing")

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(SilverLayer, "merge", refused)
        yield


def retain_from(settings: Settings, ends: dict[int, int]) -> None:
    """What is before the offset, by partition, leaves the topic."""
    places = [TopicPartition(settings.topic, partition, offset) for partition, offset in ends.items()]
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    for done in admin.delete_records(places).values():
        done.result(30)


def make_topic_anew(pipeline: Pipeline) -> None:
    """Another topic of the same name, with nothing in it."""
    settings = pipeline.settings
    admin = AdminClient({"bootstrap.servers": settings.bootstrap_servers})
    earlier = _id_of(settings.topic, admin)
    admin.delete_topics([settings.topic], operation_timeout=30)[settings.topic].result(30)
    # The broker may need a moment to let go of the name, and one more until it takes records for the new topic.
    _retried(pipeline.make_topic)
    _retried(lambda: _require_another_id(settings.topic, admin, earlier))


def _retried(step: Callable[[], None]) -> None:
    for _ in range(100):
        with suppress(KafkaException):
            return step()
        threading.Event().wait(0.1)
    return step()


def _require_another_id(topic: str, admin: AdminClient, earlier: str) -> None:
    if _id_of(topic, admin) == earlier:
        raise KafkaException(f"the broker still knows {topic} as {earlier}")


def _id_of(topic: str, admin: AdminClient) -> str:
    return str(admin.describe_topics(TopicCollection([topic]))[topic].result(30).topic_id)
