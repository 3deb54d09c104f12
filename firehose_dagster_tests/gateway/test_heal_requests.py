"""What is asked is found by the gateway, once, and whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.heal_intake import HealIntake
from firehose_dagster.gateway.heal_requests import HealRequest, ask, heal_requests_dir, pending
from firehose_dagster.settings import Settings


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path)


def test_what_is_asked_stands_until_its_file_is_removed(settings: Settings) -> None:
    path = ask(settings, [("ETHUSDT", 5, 9), ("BTCUSDT", 1, 1), ("ETHUSDT", 5, 9)])
    assert path is not None
    assert pending(settings) == {path: [HealRequest("BTCUSDT", 1, 1), HealRequest("ETHUSDT", 5, 9)]}
    path.unlink()
    assert pending(settings) == {}


def test_the_same_question_in_another_order_is_the_same_file(settings: Settings) -> None:
    first = ask(settings, [("A", 1, 2), ("B", 3, 4)])
    assert ask(settings, [("B", 3, 4), ("A", 1, 2)]) == first
    assert len(pending(settings)) == 1


def test_nothing_asked_leaves_nothing(settings: Settings) -> None:
    assert ask(settings, []) is None
    assert not heal_requests_dir(settings).exists()


@pytest.mark.parametrize("ids", [(5, 4), (-1, 4)])
def test_a_range_that_cannot_be_is_refused_before_anything_is_written(settings: Settings, ids: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="0 <= first <= last"):
        ask(settings, [("BTCUSDT", *ids)])
    assert pending(settings) == {}


@pytest.mark.parametrize("content", [b"", b"{}", b'[{"symbol":"A","first":2,"last":1}]', b"\xff"])
def test_a_file_that_is_no_request_is_set_aside(settings: Settings, content: bytes) -> None:
    good = ask(settings, [("A", 1, 2)])
    assert good is not None
    (heal_requests_dir(settings) / "0.json").write_bytes(content)
    assert list(pending(settings)) == [good]
    assert (heal_requests_dir(settings) / "0.unreadable").read_bytes() == content


class _Asked:
    """A healer that fetches nothing, and keeps what is to be called when it has."""

    def __init__(self) -> None:
        self.on_settled: list[Callable[[int], None]] = []

    def request(self, *_: object, on_settled: Callable[[int], None], **options: Any) -> None:
        self.on_settled.append(on_settled)


def test_a_request_is_taken_once_and_stands_until_the_last_of_its_ranges_is_settled(settings: Settings) -> None:
    asked = _Asked()
    intake = HealIntake(settings, cast(Healer, asked))
    path = ask(settings, [("A", 1, 2), ("B", 3, 4)])
    intake.poll()
    intake.poll()
    assert len(asked.on_settled) == 2
    asked.on_settled[0](2)
    assert list(pending(settings)) == [path]
    asked.on_settled[1](2)
    assert pending(settings) == {}
