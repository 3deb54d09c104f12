"""What Kafka's retention took: refused or skipped with an incident where no table has it, else taken from bronze."""

import msgspec
import pytest

from firehose_dagster.contracts.position import OFFSETS_LOST
from firehose_dagster.streams.host import OnFailure
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.query import StreamFailedError
from firehose_dagster.streams.topic_offsets import TopicUnusableError
from firehose_dagster_tests.pipeline.stream_on_topic import (
    MakeStream,
    Stream,
    retain_from,
    silver_takes_nothing,
)
from firehose_dagster_tests.pipeline.topic import encoded
from firehose_dagster_tests.streams.scenario import trades

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.usefixtures("left_sockets")]


@pytest.fixture
def filled(make_stream: MakeStream) -> MakeStream:
    """With its four trades in the lake, too."""

    def make(name: str) -> Stream:
        made = make_stream(name)
        made.run()
        return made

    return make


def test_records_that_retention_took_unread_are_refused_or_skipped_with_one_incident(filled: MakeStream) -> None:
    made = filled("retention")
    settings, partition = made.pipeline.settings, _partition(made)
    # What the tables hold may go.
    retain_from(settings, {partition: 4})
    made.pipeline.produce([("BTCUSDT", b"no trade")] * 3)
    made.pipeline.produce(encoded(trades(5, 6, minute=2)))
    retain_from(settings, {partition: 7})
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


def test_what_the_topic_lost_while_silver_failed_is_taken_from_bronze(filled: MakeStream) -> None:
    made = filled("outlived")
    made.pipeline.produce(encoded(trades(5, 8, minute=2)))
    with (
        silver_takes_nothing(),
        pytest.raises(StreamFailedError, match=r"silver takes nothing.* Bronze holds the topic"),
    ):
        made.run()
    assert made.bronze_and_silver() == (8, 4)
    retain_from(made.pipeline.settings, {_partition(made): 8})
    assert made.run().silver == 4
    assert made.count("crypto_silver_trades") == 8
    made.pipeline.require_proven()


def test_bronze_alone_refuses_what_the_topic_lost_behind_it(filled: MakeStream) -> None:
    made = filled("alone.refused")
    with (
        silver_takes_nothing(),
        pytest.raises(TopicUnusableError, match=rf"removed 3 records .*partition {_partition(made)} offsets 8 to 10\."),
    ):
        made.run(_when_bronze_goes_on_alone(made))
    assert made.bronze_and_silver() == (8, 4)


def test_bronze_alone_tells_what_it_skips_and_the_other_layers_pass_over_it_too(filled: MakeStream) -> None:
    made = filled("alone.skipped")
    with silver_takes_nothing(), pytest.raises(StreamFailedError, match="Bronze holds the topic"):
        made.run(_when_bronze_goes_on_alone(made), lost_offsets="skip")
    assert made.bronze_and_silver() == (11, 4)
    (lost,) = made.pipeline.query(f"SELECT detail FROM ops_audit WHERE kind = '{OFFSETS_LOST}'")  # noqa: S608 a constant
    assert lost["detail"] == f"retention removed 3 records unread: partition {_partition(made)} offsets 8 to 10"
    assert made.run().silver == 7
    made.pipeline.require_proven()


def _when_bronze_goes_on_alone(made: Stream) -> OnFailure:
    """Four trades are read and fail in silver; before bronze goes on, the topic gets six records and loses three."""
    made.pipeline.produce(encoded(trades(5, 8, minute=2)))
    partition, failures = _partition(made), []

    def failed(error: LayerFailedError) -> None:
        failures.append(error)
        if len(failures) == 2:
            made.pipeline.produce([("BTCUSDT", b"no trade")] * 3)
            made.pipeline.produce(encoded(trades(9, 11, minute=4)))
            retain_from(made.pipeline.settings, {partition: 11})

    return failed


def _partition(made: Stream) -> int:
    """The one that holds the trades."""
    (partition,) = (partition for partition, end in made.position().items() if end > 0)
    return partition
