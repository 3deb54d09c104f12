"""Who waits for a stream that runs elsewhere waits for all layers, and not for a stream that is gone or stuck."""

import threading
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from firehose_dagster.contracts.position import OFFSETS, Position
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster.streams import catch_up
from firehose_dagster.streams.catch_up import StreamGoneError, StreamStuckError, wait_until_passed
from firehose_dagster.streams.progress import StreamProgress, progress_path
from firehose_dagster.streams.topic_offsets import TopicOffsets
from firehose_dagster_tests.verification.small_lake import append


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Silver is at offset 4, the topic at 5."""
    settings = Settings(home=tmp_path)
    create_tables(open_catalog(settings))
    _silver_reaches(settings, 4)
    monkeypatch.setattr(catch_up, "wait_for_topic", lambda *_: TopicOffsets(begins={0: 0}, ends={0: 5}))
    monkeypatch.setattr(catch_up, "_ASK_EVERY_SECONDS", 0.01)
    return settings


def _silver_reaches(settings: Settings, offset: int) -> None:
    append(settings, SILVER, [], {OFFSETS: Position(settings.topic, {0: offset}).to_json()})


def test_silver_is_waited_for_until_it_has_passed_the_topics_end(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def goes_on(_: Settings) -> bool:
        _silver_reaches(settings, 5)
        return True

    monkeypatch.setattr(catch_up, "lease_is_held", goes_on)
    assert wait_until_passed(settings, threading.Event()).offsets == {0: 5}


def test_a_stream_that_ended_before_the_topics_end_has_not_passed_it(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "lease_is_held", lambda _: False)
    stop = threading.Event()
    stop.set()  # whoever would wait for it is let go
    with pytest.raises(StreamGoneError, match="before it had passed"):
        wait_until_passed(settings, stop)


def _stream_shows(settings: Settings, offset: int, failing: str | None = None) -> None:
    now = datetime.now(UTC)
    path = progress_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = StreamProgress(pid=1, started_at=now, updated_at=now, offsets={0: offset}, failing=failing)
    path.write_bytes(msgspec.json.encode(shown))


def test_gold_is_waited_for_where_silver_is_there_already(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    _silver_reaches(settings, 5)
    _stream_shows(settings, 4)
    looks: list[int] = []

    def goes_on(_: Settings) -> bool:
        looks.append(1)
        _stream_shows(settings, 5)
        return True

    monkeypatch.setattr(catch_up, "lease_is_held", goes_on)
    assert wait_until_passed(settings, threading.Event()).offsets == {0: 5}
    assert looks == [1]


def test_a_stream_whose_layer_fails_is_not_waited_for(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catch_up, "lease_is_held", lambda _: True)
    _stream_shows(settings, 4, "crypto_gold_minute failed: OSError: full")
    stop = threading.Event()
    stop.set()  # whoever would wait for it is let go
    with pytest.raises(StreamStuckError, match="crypto_gold_minute failed: OSError: full; bronze goes on"):
        wait_until_passed(settings, stop)
