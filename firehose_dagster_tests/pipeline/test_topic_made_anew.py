"""A topic that was deleted and made anew under its name is no other half of what a lake holds: the start refuses it."""

import pytest

from firehose_dagster.contracts.position import TOPIC_ID
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.streams import bronze_layer, topic_offsets
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.query import StreamFailedError
from firehose_dagster.streams.topic_offsets import TopicUnusableError
from firehose_dagster_tests.pipeline.stream_on_topic import (
    MakeStream,
    Stream,
    make_topic_anew,
    silver_takes_nothing,
)
from firehose_dagster_tests.pipeline.topic import encoded
from firehose_dagster_tests.streams.scenario import trades

pytestmark = [pytest.mark.spark, pytest.mark.stack, pytest.mark.usefixtures("left_sockets")]


def _made_anew_and_longer(made: Stream) -> None:
    """As many records as before and more: by their offsets alone they would fit."""
    make_topic_anew(made.pipeline)
    made.pipeline.produce(encoded(trades(11, 20, minute=9)))


def test_a_topic_made_anew_is_refused_by_its_id_before_anything_is_written(make_stream: MakeStream) -> None:
    made = make_stream("anew")
    made.run()
    _made_anew_and_longer(made)
    with pytest.raises(TopicUnusableError, match=r"topic trades.anew was made anew: .* use a new home"):
        made.run()
    assert made.bronze_and_silver() == (4, 4)
    made.pipeline.require_proven()


def test_a_topic_made_anew_before_silver_took_anything_is_refused_by_what_bronze_has(make_stream: MakeStream) -> None:
    made = make_stream("anew.early")
    with silver_takes_nothing(), pytest.raises(StreamFailedError, match="Bronze holds the topic"):
        made.run()
    assert made.bronze_and_silver() == (4, 0)
    _made_anew_and_longer(made)
    with pytest.raises(TopicUnusableError, match=r"topic trades.anew.early was made anew: "):
        made.run()
    assert made.bronze_and_silver() == (4, 0)


def test_a_topic_made_anew_while_silver_fails_is_refused_by_bronze_alone(make_stream: MakeStream) -> None:
    made = make_stream("anew.alone")
    failures: list[LayerFailedError] = []

    def failed(error: LayerFailedError) -> None:
        failures.append(error)
        if len(failures) == 2:  # bronze goes on alone next
            _made_anew_and_longer(made)

    with silver_takes_nothing(), pytest.raises(TopicUnusableError, match=r"topic trades.anew.alone was made anew: "):
        made.run(failed)
    assert made.bronze_and_silver() == (4, 0)


def test_what_bronze_takes_alone_carries_the_topics_id(make_stream: MakeStream) -> None:
    made = make_stream("anew.held")
    with silver_takes_nothing(), pytest.raises(StreamFailedError):
        made.run(lambda _: made.pipeline.produce(encoded(trades(5, 6, minute=2))))
    bronze = open_catalog(made.pipeline.settings).load_table(BRONZE.identifier)
    snapshot = bronze.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.additional_properties[TOPIC_ID] == topic_offsets._topic_id(made.pipeline.settings)


def test_a_lake_that_was_never_told_the_topics_id_goes_on_and_has_it_from_then_on(
    make_stream: MakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = make_stream("anew.told")
    with monkeypatch.context() as earlier:
        earlier.setattr(topic_offsets, "_topic_id", lambda _: None)
        made.run()
    catalog = open_catalog(made.pipeline.settings)
    assert [newest_stamp(catalog.load_table(each.identifier), TOPIC_ID) for each in (BRONZE, SILVER)] == [None, None]
    made.pipeline.produce(encoded(trades(5, 6, minute=2)))
    made.run()
    assert made.bronze_and_silver() == (6, 6)
    told = topic_offsets._topic_id(made.pipeline.settings)
    assert [newest_stamp(catalog.load_table(each.identifier), TOPIC_ID) for each in (BRONZE, SILVER)] == [told, told]


def test_a_lake_of_earlier_code_whose_silver_alone_has_the_id_goes_on_and_refuses_another_topic(
    make_stream: MakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bronze_layer, "TOPIC_ID", "not.told")
    made = make_stream("anew.earlier")
    made.run()
    made.pipeline.produce(encoded(trades(5, 6, minute=2)))
    made.run()
    assert made.bronze_and_silver() == (6, 6)
    _made_anew_and_longer(made)
    with pytest.raises(TopicUnusableError, match=r"topic trades.anew.earlier was made anew: "):
        made.run()


def test_a_shorter_topic_made_anew_is_refused_where_the_broker_tells_no_id(
    make_stream: MakeStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_offsets, "_topic_id", lambda _: None)
    made = make_stream("anew.shorter")
    made.run()
    make_topic_anew(made.pipeline)
    made.pipeline.produce(encoded(trades(11, 12, minute=9)))
    with pytest.raises(TopicUnusableError, match=r"up to offset 4, but the topic ends at 2: the topic was made anew"):
        made.run()
    assert made.bronze_and_silver() == (4, 4)
    made.pipeline.require_proven()
