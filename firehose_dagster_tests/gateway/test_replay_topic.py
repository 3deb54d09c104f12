"""The topic for a reconciliation, where there is no broker. With one: `pipeline/test_reconciliation.py`."""

import threading
from pathlib import Path

import pytest

from firehose_dagster.contracts.topic import OffsetRange
from firehose_dagster.gateway import replay_topic
from firehose_dagster.gateway.errors import TopicError
from firehose_dagster.gateway.replay_topic import ReplayTopic
from firehose_dagster.local.ports import free_ports
from firehose_dagster.settings import Settings


@pytest.fixture
def topic(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ReplayTopic:
    monkeypatch.setattr(replay_topic, "REQUEST_SECONDS", 0.2)
    monkeypatch.setattr(replay_topic, "SILENCE_SECONDS", 0.2)
    (port,) = free_ports(1)
    return ReplayTopic(Settings(home=tmp_path, kafka_bootstrap=f"127.0.0.1:{port}"), threading.Event())


def test_a_broker_that_is_away_is_told_with_its_address_and_what_to_do(topic: ReplayTopic) -> None:
    with pytest.raises(TopicError, match=r"cannot be read at 127\.0\.0\.1:\d+: .*FIREHOSE_KAFKA_BOOTSTRAP"):
        topic.bounds()


def test_records_are_not_waited_for_without_end(topic: ReplayTopic) -> None:
    with pytest.raises(TopicError, match=r"gave nothing for .* see whether the broker works"):
        list(topic.records([OffsetRange(0, 5, 7)]))
