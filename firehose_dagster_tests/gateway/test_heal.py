"""What the healer takes for healed: what Kafka confirmed, and nothing else."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import cast

import pytest

from firehose_dagster.binance.frames import RestTrade
from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.contracts.message import AggTradeMessage
from firehose_dagster.gateway import heal, hole
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.gateway.continuity import Continuity
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.rest import ExchangeRest
from firehose_dagster.lake.exchange_holes import ExchangeHole
from firehose_dagster_tests.gateway.rest_trades import trades


class _Exchange:
    """Has the ids 2 and 3."""

    def agg_trades(self, _symbol: str, from_id: int) -> list[RestTrade]:
        return trades([agg_id for agg_id in (2, 3) if agg_id >= from_id])


class _Halt(threading.Event):
    """Tells when somebody found nothing to do."""

    def __init__(self) -> None:
        super().__init__()
        self.idle = threading.Event()

    def wait(self, timeout: float | None = None) -> bool:
        self.idle.set()
        return super().wait(timeout)


class _SlowExchange(_Exchange):
    """Before its first answer another worker begins, and has asked or found nothing to do."""

    def __init__(self, begin_another: Callable[[], None], idle: threading.Event) -> None:
        self._begin_another = begin_another
        self._idle = idle
        self.asked = 0

    def agg_trades(self, symbol: str, from_id: int) -> list[RestTrade]:
        self.asked += 1
        if self.asked == 1:
            self._begin_another()
            assert self._idle.wait(30)
        return super().agg_trades(symbol, from_id)


class _LateExchange(_Exchange):
    """Its database is behind: what it answers first lacks the id 3."""

    def __init__(self) -> None:
        self._answers = [[2, 4], [2, 3, 4]]

    def agg_trades(self, _symbol: str, from_id: int) -> list[RestTrade]:
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return trades([agg_id for agg_id in answer if agg_id >= from_id])


@dataclass
class _Holding:
    """Has these ids."""

    held: list[int]

    def agg_trades(self, _symbol: str, from_id: int) -> list[RestTrade]:
        return trades([agg_id for agg_id in self.held if agg_id >= from_id])


class _Kafka:
    """Confirms one trade at the first time, and all from then on."""

    last_error = "it took too long"

    def __init__(self) -> None:
        self.published: list[list[int]] = []

    def publish(self, messages: Sequence[AggTradeMessage]) -> list[int]:
        ids = [message.agg_id for message in messages]
        self.published.append(ids)
        return ids[:1] if len(self.published) == 1 else ids


def test_what_kafka_did_not_confirm_is_fetched_again_and_only_that() -> None:
    kafka, halt, fetched = _Kafka(), threading.Event(), list[int]()

    def end(ids: int) -> None:
        fetched.append(ids)
        halt.set()

    healer = Healer(
        cast(ExchangeRest, _Exchange()), Continuity({}), cast(ConfirmedPublisher, kafka), lambda _: None, halt
    )
    healer.request("BTCUSDT", IdRange(2, 3), after_seconds=0, on_settled=end)
    healer.run()
    assert kafka.published == [[2, 3], [3]]
    assert (fetched, healer.healed_ids, healer.missing_ids()) == ([2], 2, 0)


def test_ids_of_two_overlapping_holes_are_fetched_once_by_two_workers() -> None:
    kafka, halt, settled = _Kafka(), _Halt(), list[int]()
    kafka.published.append([])  # from its second time on it confirms all

    def end(ids: int) -> None:
        settled.append(ids)
        if len(settled) == 2:
            halt.set()

    def begin_another() -> None:
        another.start()

    exchange = _SlowExchange(begin_another, halt.idle)
    healer = Healer(cast(ExchangeRest, exchange), Continuity({}), cast(ConfirmedPublisher, kafka), lambda _: None, halt)
    another = threading.Thread(target=healer.run)
    for ids in (IdRange(2, 3), IdRange(3, 3)):
        healer.request("BTCUSDT", ids, after_seconds=0, on_settled=end)
    healer.run()
    another.join(30)
    published = [agg_id for ids in kafka.published for agg_id in ids]
    assert (sorted(published), sorted(settled), healer.healed_ids) == ([2, 3], [1, 1], 2)


def test_an_id_that_one_answer_left_out_and_the_next_one_holds_is_no_hole_of_the_exchange(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heal, "CONFIRM_SECONDS", 0)
    kafka, halt, absent = _Kafka(), threading.Event(), list[ExchangeHole]()
    kafka.published.append([])  # from its second time on it confirms all
    healer = Healer(
        cast(ExchangeRest, _LateExchange()), Continuity({}), cast(ConfirmedPublisher, kafka), absent.append, halt
    )
    healer.request("BTCUSDT", IdRange(2, 4), after_seconds=0, on_settled=lambda _: halt.set())
    healer.run()
    assert (kafka.published, absent) == ([[], [2, 4], [3]], [])


@pytest.mark.parametrize("held", [[], [10]], ids=["no trade at all", "younger ones alone"])
def test_what_somebody_else_asks_for_and_rest_does_not_give_is_given_up_for_it_is_asked_for_again(
    monkeypatch: pytest.MonkeyPatch, held: list[int]
) -> None:
    monkeypatch.setattr(heal, "CONFIRM_SECONDS", 0)
    monkeypatch.setattr(hole, "EMPTY_PAGE_TRIES", 1)
    kafka, halt, fetched = _Kafka(), threading.Event(), list[int]()

    def end(ids: int) -> None:
        fetched.append(ids)
        halt.set()

    healer = Healer(
        cast(ExchangeRest, _Holding(held)), Continuity({}), cast(ConfirmedPublisher, kafka), lambda _: None, halt
    )
    healer.request("BTCUSDT", IdRange(2, 3), after_seconds=0, is_forced=True, on_settled=end)
    healer.run()
    assert (fetched, healer.gaps_healed, healer.missing_ids(), healer.unresolved_ids()) == ([0], 0, 0, 0)


def test_a_hole_of_the_gateways_own_is_never_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hole, "EMPTY_PAGE_TRIES", 1)
    halt = _Halt()
    healer = Healer(
        cast(ExchangeRest, _Holding([])), Continuity({}), cast(ConfirmedPublisher, _Kafka()), lambda _: None, halt
    )
    healer.request("BTCUSDT", IdRange(2, 3), after_seconds=0)
    worker = threading.Thread(target=healer.run)
    worker.start()
    assert halt.idle.wait(30)
    halt.set()
    worker.join(30)
    assert (healer.missing_ids(), healer.unresolved_ids()) == (2, 2)


def test_what_is_given_back_on_both_sides_of_a_page_does_not_fetch_that_page_twice() -> None:
    healer = Healer(
        cast(ExchangeRest, _Holding([])), Continuity({}), cast(ConfirmedPublisher, _Kafka()), lambda _: None, _Halt()
    )
    healer.request("BTCUSDT", IdRange(1, 3_000), after_seconds=0)
    newest, middle, oldest = [taken for _ in range(3) if (taken := healer._take()) is not None]
    for whole, page in (newest, oldest):
        healer._at_work.remove((whole, page))
        whole.give_back(page, now=0, seconds=0)
    assert healer._take() == newest
    assert healer._take() is None
    assert [page for _, page in healer._at_work] == [middle[1], newest[1]]
