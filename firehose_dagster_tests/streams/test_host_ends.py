"""How the host ends: by a person, by an error, by rows that silver lost. The tables are real, Spark is not there."""

import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from pyspark.sql import SparkSession

from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.settings import Settings
from firehose_dagster.streams import host, topic_offsets
from firehose_dagster.streams.host import run_streams
from firehose_dagster.streams.layer_failures import LayerFailedError
from firehose_dagster.streams.lease import LeaseLostError
from firehose_dagster.streams.query import StreamFailedError
from firehose_dagster.streams.silver_layer import RowsLostError
from firehose_dagster.streams.topic_offsets import TopicOffsets

SESSION = cast(
    SparkSession,
    SimpleNamespace(sparkContext=SimpleNamespace(setLogLevel=lambda level: None), _jvm=None),
)


class TerminatedError(BaseException):
    """As Dagster's."""


class FakeLease:
    """Always free."""

    def __init__(self, spark: SparkSession, settings: Settings) -> None: ...

    def take(self, name: str) -> None: ...

    def require_held(self) -> None: ...

    def release(self) -> None: ...


class FakePass:
    """Holds nothing, and notes that it was closed."""

    closed = 0
    close_error: Exception | None = None

    def __init__(self, *_: object) -> None:
        self.position = Position("binance.aggtrade", {})

    def expect(self, rows: int) -> None: ...

    def process(self, *_: object) -> None: ...

    def close(self) -> None:
        type(self).closed += 1
        if self.close_error is not None:
            raise self.close_error


class FakeQuery:
    """Runs until it is stopped, or until the error that it has."""

    error: Exception | None = None

    def __init__(self, *_: object) -> None: ...

    def start(self, starting_offsets: str, *, until_caught_up: bool) -> None: ...

    @property
    def is_active(self) -> bool:
        if self.error is not None:
            raise StreamFailedError("the stream stopped") from self.error
        return True

    def stop(self) -> None: ...


Run = Callable[..., object]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run_streams` around the fakes."""
    monkeypatch.setattr(FakePass, "closed", 0)
    monkeypatch.setattr(host, "StreamLease", FakeLease)
    monkeypatch.setattr(host, "TradePass", FakePass)
    monkeypatch.setattr(host, "TradeQuery", FakeQuery)
    monkeypatch.setattr(topic_offsets, "read_offsets", lambda _: TopicOffsets(begins={0: 0}, ends={0: 5}))

    def started(**arguments: object) -> object:
        given = {"stop": threading.Event(), "until_caught_up": False, "session": SESSION, **arguments}
        return run_streams(Settings(home=tmp_path), **given)  # type: ignore[arg-type] # the test's own

    return started


def _terminated() -> None:
    raise TerminatedError


def test_what_is_buffered_is_written_when_a_person_terminates_the_run(run: Run) -> None:
    with pytest.raises(TerminatedError):
        run(on_watch=_terminated)
    assert FakePass.closed == 1


def test_where_it_cannot_be_written_then_the_terminate_is_still_a_terminate(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakePass, "close_error", OSError("no space left on device"))
    with pytest.raises(TerminatedError):
        run(on_watch=_terminated)
    assert FakePass.closed == 1


def test_a_stream_whose_lease_is_gone_stops_though_nobody_asked_it_to(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lost(_: FakeLease) -> None:
        raise LeaseLostError("streams.lease was deleted")

    monkeypatch.setattr(FakeLease, "require_held", lost)
    with pytest.raises(LeaseLostError):
        run()
    assert FakePass.closed == 1


@pytest.mark.parametrize("until_caught_up", [True, False])
def test_rows_that_silver_lost_end_the_stream_at_once_with_what_to_do(
    run: Run, monkeypatch: pytest.MonkeyPatch, until_caught_up: bool
) -> None:
    lost = LayerFailedError(SILVER, "RowsLostError: batch q/1: silver took 1 rows, 2 were new to it: rebuild")
    lost.__cause__ = RowsLostError("q/1", 1, 2)
    monkeypatch.setattr(FakeQuery, "error", lost)
    told: list[LayerFailedError] = []
    with pytest.raises(StreamFailedError, match="silver took 1 rows, 2 were new to it"):
        run(until_caught_up=until_caught_up, on_failure=told.append)
    assert told == [lost]
    assert FakePass.closed == 1


def test_a_stop_while_the_topic_is_waited_for_ends_the_run_quietly(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()

    def stopped_meanwhile(_: Settings) -> None:
        stop.set()

    monkeypatch.setattr(topic_offsets, "read_offsets", stopped_meanwhile)
    progress = run(stop=stop)
    assert getattr(progress, "batches", None) == 0
    assert FakePass.closed == 0


def test_a_stop_while_bronze_goes_on_alone_is_no_failure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    monkeypatch.setattr(FakeQuery, "error", LayerFailedError(GOLD, "no space"))
    monkeypatch.setattr(host._Host, "_bronze_alone", lambda *_: stop.set())
    progress = run(stop=stop, until_caught_up=True)
    assert getattr(progress, "failing", None) == "crypto_gold_minute failed: no space"
