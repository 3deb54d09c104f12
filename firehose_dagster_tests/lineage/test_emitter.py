"""Whoever hands over an event never waits, and what is lost is counted and said once."""

import logging
import threading

import pytest

from firehose_dagster.lineage.emitter import Emitter


class Receiver:
    """Takes events; may refuse them, or hang until it is let go."""

    def __init__(self) -> None:
        self.got: list[int] = []
        self.refuses = False
        self.entered = threading.Event()
        self.let_go = threading.Event()
        self.let_go.set()

    def send(self, event: int) -> None:
        self.entered.set()
        self.let_go.wait()
        if self.refuses:
            raise ConnectionError("refused")
        self.got.append(event)


def lost(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if "are lost" in record.getMessage()]


def test_events_are_sent_in_order_and_closing_waits_for_the_last() -> None:
    receiver = Receiver()
    emitter = Emitter(receiver.send, (ConnectionError,), "here")
    for event in range(100):
        emitter.offer(event)
    emitter.close()
    assert receiver.got == list(range(100))
    assert (emitter.sent, emitter.dropped) == (100, 0)


def test_a_receiver_that_hangs_costs_events_but_nobody_waits(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()
    receiver.let_go.clear()
    emitter = Emitter(receiver.send, (ConnectionError,), "here", capacity=10)
    emitter.offer(0)
    assert receiver.entered.wait(10)
    with caplog.at_level(logging.INFO):
        for event in range(1, 31):
            emitter.offer(event)
        emitter.close(timeout_seconds=0.01)
    assert emitter.dropped == 21, "one is being sent, ten wait, twenty found no place, nor did the end"
    assert len(lost(caplog)) == 1
    receiver.let_go.set()


def test_closing_gives_up_on_a_receiver_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()
    receiver.let_go.clear()
    emitter = Emitter(receiver.send, (ConnectionError,), "one that hangs")
    emitter.offer(0)
    emitter.offer(1)
    assert receiver.entered.wait(10)
    with caplog.at_level(logging.WARNING):
        emitter.close(timeout_seconds=0.01)
    said = [record.getMessage() for record in caplog.records if "one that hangs" in record.getMessage()]
    assert said == ["lineage events lost at the end receiver=one that hangs events=2"]
    receiver.let_go.set()


def test_a_receiver_that_refuses_is_said_once_and_its_return_too(caplog: pytest.LogCaptureFixture) -> None:
    receiver = Receiver()
    receiver.refuses = True
    emitter = Emitter(receiver.send, (ConnectionError,), "here")
    with caplog.at_level(logging.INFO):
        for event in range(5):
            emitter.offer(event)
        while emitter.dropped < 5:
            receiver.entered.wait(0.01)
        receiver.refuses = False
        emitter.offer(5)
        emitter.close()
    assert receiver.got == [5]
    assert (emitter.sent, emitter.dropped) == (1, 5)
    assert lost(caplog) == ["lineage events are lost receiver=here reason=ConnectionError: refused"]
    assert "lost=5" in caplog.records[-1].getMessage()
