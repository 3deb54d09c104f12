"""What Kafka did not take is told by id, or produced again; nothing waits without bound."""

import threading
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import pytest

from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.gateway import producer_config
from firehose_dagster.gateway import publisher as publisher_module
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.gateway.errors import FlushIncompleteError
from firehose_dagster.gateway.publisher import RAW_MAX_BYTES, Publisher, QueueFullError
from firehose_dagster.settings import Settings
from firehose_dagster_tests.gateway.conftest import Broker, Exchange, SettingsFor

NOWHERE = "127.0.0.1:1"


class _NoExchange:
    ws_url = "ws://127.0.0.1:1"
    rest_url = "http://127.0.0.1:1"


@dataclass
class Lost:
    """What a publisher took back."""

    ids: list[tuple[str, int]] = field(default_factory=list)

    def __call__(self, symbol: str, agg_id: int) -> None:
        self.ids.append((symbol, agg_id))


@pytest.fixture
def exchange() -> Exchange:
    return _NoExchange()


@pytest.fixture
def lost() -> Lost:
    return Lost()


def _trade(agg_id: int, **changes: Any) -> AggTradeMessage:
    fields: dict[str, Any] = {
        "symbol": "BTCUSDT", "agg_id": agg_id, "price": "1.5", "qty": "2", "first_trade_id": 1, "last_trade_id": 1,
        "trade_time": 1, "event_time": 1, "received_at": 1, "is_buyer_maker": True, "source": "ws",
    }  # fmt: skip
    return AggTradeMessage(**{**fields, **changes})


def _publisher(settings: Settings, lost: Lost) -> Publisher:
    return Publisher(settings, threading.Event(), lost)


def test_a_flush_waits_until_the_broker_has_all(
    broker: Broker, settings_for: SettingsFor, exchange: Exchange, lost: Lost
) -> None:
    publisher = _publisher(settings_for(exchange), lost)
    for number in range(1_000):
        publisher.publish_raw(str(number).encode())
    publisher.flush()
    assert publisher.outstanding == 0
    assert sorted(int(record.value) for record in broker.records()) == list(range(1_000))
    assert lost.ids == []


def test_a_broker_that_is_away_at_the_stop_is_an_error(
    settings_for: SettingsFor, exchange: Exchange, lost: Lost
) -> None:
    publisher = _publisher(settings_for(exchange, kafka_bootstrap=NOWHERE), lost)
    publisher.publish_raw(b"frame")
    with pytest.raises(FlushIncompleteError, match="did not confirm all messages within 0 s"):
        publisher.flush(timeout_seconds=0)


def test_trades_that_kafka_does_not_take_in_time_are_told_by_id_and_the_next_go_on(
    settings_for: SettingsFor, exchange: Exchange, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer_config, "DELIVERY_TIMEOUT_MS", 50)
    publisher = _publisher(settings_for(exchange, kafka_bootstrap=NOWHERE), lost)
    for agg_id in (7, 8):
        publisher.publish(_trade(agg_id))
    publisher.flush(timeout_seconds=30)
    assert sorted(lost.ids) == [("BTCUSDT", 7), ("BTCUSDT", 8)]
    publisher.publish(_trade(9))
    publisher.flush(timeout_seconds=30)
    assert (sorted(lost.ids)[-1], publisher.lost) == (("BTCUSDT", 9), 3)


def test_a_frame_without_an_id_is_produced_again_instead(
    settings_for: SettingsFor, exchange: Exchange, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer_config, "DELIVERY_TIMEOUT_MS", 50)
    publisher = _publisher(settings_for(exchange, kafka_bootstrap=NOWHERE), lost)
    publisher.publish_raw(b"frame")
    with pytest.raises(FlushIncompleteError, match="did not confirm all messages within 2 s"):
        publisher.flush(timeout_seconds=2)
    assert lost.ids == []


def test_a_producer_that_cannot_go_on_is_replaced_and_what_it_held_is_told(
    broker: Broker, settings_for: SettingsFor, exchange: Exchange, lost: Lost
) -> None:
    publisher = _publisher(settings_for(exchange, kafka_bootstrap=NOWHERE), lost)
    publisher.publish(_trade(7))
    publisher._settings = settings_for(exchange)
    publisher._renew(publisher._producer)
    publisher.publish(_trade(8))
    publisher.flush()
    assert lost.ids == [("BTCUSDT", 7)]
    assert [record.message["agg_id"] for record in broker.records()] == [8]


def test_a_full_queue_ends_the_connection_after_its_time(
    settings_for: SettingsFor, exchange: Exchange, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Not smaller: the producer's length also counts its reports of a broker that is away.
    monkeypatch.setattr(producer_config, "QUEUE_MAX_MESSAGES", 100)
    monkeypatch.setattr(publisher_module, "QUEUE_MAX_MESSAGES", 100)
    monkeypatch.setattr(publisher_module, "FULL_QUEUE_SECONDS", 0.2)
    publisher = _publisher(settings_for(exchange, kafka_bootstrap=NOWHERE), lost)
    assert publisher.has_room
    for number in range(100):
        publisher.publish_raw(b"%d" % number)
    assert not publisher.has_room
    with pytest.raises(QueueFullError, match=r"127\.0\.0\.1:1 takes no messages"):
        publisher.publish_raw(b"3")
    assert publisher.full_queue_seconds >= 0.15  # what lies between two polls is not in it


def test_the_queue_is_bounded_in_bytes_too(
    settings_for: SettingsFor, exchange: Exchange, lost: Lost, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "FULL_QUEUE_SECONDS", 0.1)
    publisher = _publisher(settings_for(exchange, kafka_bootstrap=NOWHERE, gateway_queue_megabytes=1), lost)
    frames = 0
    with suppress(QueueFullError):
        for frames in range(1_000):  # noqa: B007 - how far it came is read below
            publisher.publish_raw(b"x" * 10_000)
    assert 95 <= frames <= 105
    # The errors of the broker that is away wait in the same queue until they are served.
    assert publisher.outstanding >= frames


def test_a_frame_too_long_for_kafka_is_cut_and_a_trade_too_long_is_kept_as_text_and_told(
    broker: Broker, settings_for: SettingsFor, exchange: Exchange, lost: Lost
) -> None:
    publisher = _publisher(settings_for(exchange), lost)
    publisher.publish_raw(b"x" * 2_000_000)
    publisher.publish(_trade(7, price="1" * 2_000_000))
    publisher.flush()
    assert [(record.key, len(record.value)) for record in broker.records()] == [(None, RAW_MAX_BYTES)] * 2
    assert lost.ids == [("BTCUSDT", 7)]


def test_healed_trades_are_confirmed_by_id(broker: Broker, settings_for: SettingsFor, exchange: Exchange) -> None:
    publisher = ConfirmedPublisher(settings_for(exchange), threading.Event())
    assert sorted(publisher.publish([_trade(agg_id) for agg_id in range(500)])) == list(range(500))
    assert len(broker.records()) == 500


def test_healed_trades_that_kafka_does_not_take_are_not_confirmed(
    settings_for: SettingsFor, exchange: Exchange, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer_config, "DELIVERY_TIMEOUT_MS", 50)
    publisher = ConfirmedPublisher(settings_for(exchange, kafka_bootstrap=NOWHERE), threading.Event())
    assert publisher.publish([_trade(1), _trade(2)]) == []
    assert publisher.last_error is not None
