"""The topic is waited for; where it does not come, it is said what is missing."""

import threading
import time
from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from firehose_dagster.settings import Settings
from firehose_dagster.streams import topic_offsets
from firehose_dagster.streams.topic_offsets import TopicOffsets, TopicUnusableError, wait_for_topic

HERE = TopicOffsets(begins={0: 0}, ends={0: 5})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_a_topic_that_is_not_there_yet_is_waited_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [None, HERE]
    monkeypatch.setattr(topic_offsets, "read_offsets", lambda _: answers.pop(0))
    assert wait_for_topic(settings, threading.Event()) == HERE


def test_where_patience_ends_before_the_topic_is_there_it_is_said_who_makes_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_offsets, "read_offsets", lambda _: None)
    with pytest.raises(TopicUnusableError, match=f"it has no topic {settings.topic} yet; the gateway makes it"):
        wait_for_topic(settings, threading.Event(), patience_seconds=0)


def test_where_patience_ends_before_the_broker_answers_it_is_said_what_was_wrong(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_offsets, "read_offsets", _refused)
    with pytest.raises(TopicUnusableError, match=f"Kafka at {settings.bootstrap_servers}: connection refused"):
        wait_for_topic(settings, threading.Event(), patience_seconds=0)


def test_patience_counts_the_time_in_which_the_broker_does_not_answer(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, asked = [1_000.0], []

    def refused_after_ten_seconds(_: Settings) -> None:
        asked.append(now[0])
        now[0] += 10
        raise KafkaException("timed out")

    monkeypatch.setattr(topic_offsets, "read_offsets", refused_after_ten_seconds)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with pytest.raises(TopicUnusableError, match="timed out"):
        wait_for_topic(settings, _Impatient(), patience_seconds=120.0)
    assert len(asked) == 12


def test_where_the_stop_comes_first_the_wait_ends_without_a_word(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = threading.Event()

    def stopped_meanwhile(_: Settings) -> None:
        stop.set()
        raise KafkaException("connection refused")

    monkeypatch.setattr(topic_offsets, "read_offsets", stopped_meanwhile)
    assert wait_for_topic(settings, stop) is None


def _refused(_: Settings) -> None:
    raise KafkaException("connection refused")


class _Impatient(threading.Event):
    """Is never set, and whoever waits for it goes on at once."""

    def wait(self, timeout: float | None = None) -> bool:
        return False
