"""A laptop that slept for an hour, or whose clock was set: what was decided by the clock is decided right after it."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import msgspec
import pytest

from firehose_dagster.alerts.delivery import Delivery, SpikeKey
from firehose_dagster.alerts.ledger import LedgerPosition
from firehose_dagster.alerts.outbox import plan
from firehose_dagster.alerts.watch import Cursor, has_work
from firehose_dagster.defs import keep_alive as sensors
from firehose_dagster.defs.keep_alive import LOOKS_AFTER_LIFE, LOOKS_BEFORE_LIFE, keep_alive
from firehose_dagster.defs.run_process import RunProcess
from firehose_dagster.gateway.clock_watch import ASK_AGAIN_SECONDS, COMPARE_EVERY_SECONDS, ClockWatch
from firehose_dagster.gateway.errors import ClockError
from firehose_dagster.gateway.rest import ExchangeUnavailableError
from firehose_dagster.gateway.status import write_status
from firehose_dagster.settings import Settings
from firehose_dagster_tests.gateway.examples import GATEWAY_STATUS

JOB = "work"
HOUR = 3_600.0
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)


def _untold(run_id: str) -> RunProcess:
    return RunProcess.UNTOLD


@dg.op
def nothing() -> None: ...


@dg.job(name=JOB)
def work() -> None:
    nothing()


class Sensor:
    """The keep-alive sensor, look after look; its clock is this machine's, moved by `ahead_seconds`."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.cursor: str | None = None
        self.ahead_seconds = 0.0

    def look(self, *, alive: bool = False) -> dg.SensorResult:
        context = dg.build_sensor_context(instance=self.instance, sensor_name="sensor", cursor=self.cursor)
        result = keep_alive(context, JOB, lambda: alive, _untold, lambda: time.time() + self.ahead_seconds)
        self.cursor = result.cursor or self.cursor
        return result

    def started(self) -> dg.DagsterRun:
        return self.instance.create_run_for_job(work, status=dg.DagsterRunStatus.STARTED)

    def status(self, run: dg.DagsterRun) -> dg.DagsterRunStatus:
        held = self.instance.get_run_by_id(run.run_id)
        assert held is not None
        return held.status


@pytest.fixture
def sensor() -> Iterator[Sensor]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Sensor(instance)


@pytest.mark.parametrize("hours", [1, -1])
def test_a_start_that_slept_for_an_hour_is_not_taken_for_dead(sensor: Sensor, hours: int) -> None:
    run = sensor.started()
    sensor.look()
    sensor.ahead_seconds = hours * HOUR
    for _ in range(LOOKS_BEFORE_LIFE - 2):
        sensor.look()
    assert sensor.status(run) == dg.DagsterRunStatus.STARTED
    sensor.look(alive=True)
    assert sensor.status(run) == dg.DagsterRunStatus.STARTED


def test_a_run_that_never_shows_life_is_closed_after_enough_looks_and_the_next_is_requested(sensor: Sensor) -> None:
    run = sensor.started()
    for _ in range(LOOKS_BEFORE_LIFE - 1):
        sensor.look()
    assert sensor.status(run) == dg.DagsterRunStatus.STARTED
    assert "had lost its process and was closed" in str(sensor.look().skip_reason)
    assert sensor.status(run) == dg.DagsterRunStatus.FAILURE
    sensor.ahead_seconds = 60
    assert sensor.look().run_requests == [dg.RunRequest()]


def test_a_run_that_lived_is_closed_after_fewer_looks_and_one_look_at_life_begins_the_count_anew(
    sensor: Sensor,
) -> None:
    run = sensor.started()
    sensor.look(alive=True)
    for _ in range(LOOKS_AFTER_LIFE - 1):
        sensor.look()
    sensor.look(alive=True)
    for _ in range(LOOKS_AFTER_LIFE - 1):
        sensor.look()
    assert sensor.status(run) == dg.DagsterRunStatus.STARTED
    sensor.look()
    assert sensor.status(run) == dg.DagsterRunStatus.FAILURE


def test_what_was_seen_of_one_run_says_nothing_of_the_next(sensor: Sensor) -> None:
    first = sensor.started()
    sensor.look(alive=True)
    for _ in range(LOOKS_AFTER_LIFE):
        sensor.look()
    assert sensor.status(first) == dg.DagsterRunStatus.FAILURE
    second = sensor.started()
    for _ in range(LOOKS_AFTER_LIFE + 1):
        sensor.look()
    assert sensor.status(second) == dg.DagsterRunStatus.STARTED


@pytest.mark.parametrize("cursor", ["", "7", "{", "null"])
def test_a_cursor_of_another_version_is_no_sight_of_anything(sensor: Sensor, cursor: str) -> None:
    run = sensor.started()
    sensor.cursor = cursor
    sensor.look()
    assert sensor.status(run) == dg.DagsterRunStatus.STARTED
    assert run.run_id in str(sensor.cursor)


def test_a_failed_run_comes_again_at_once_where_the_clock_was_set_back_behind_its_end(sensor: Sensor) -> None:
    run = sensor.started()
    sensor.instance.report_run_failed(run, "broken")
    assert "the next attempt waits 2 s" in str(sensor.look().skip_reason)
    sensor.ahead_seconds = -HOUR
    assert sensor.look().run_requests == [dg.RunRequest()]


@pytest.mark.parametrize(("ahead_seconds", "alive"), [(0, True), (25, True), (HOUR, False), (-HOUR, False)])
def test_a_gateway_is_alive_by_a_status_that_is_neither_old_nor_of_the_future(
    tmp_path: Path, ahead_seconds: float, *, alive: bool
) -> None:
    settings = Settings(home=tmp_path)
    settings.state_dir.mkdir()
    written_at = datetime.now(UTC) - timedelta(seconds=ahead_seconds)
    write_status(settings, msgspec.structs.replace(GATEWAY_STATUS, pid=os.getpid(), updated_at=written_at))
    assert sensors._gateway_is_alive(settings) is alive


def test_a_webhook_that_failed_before_the_clock_was_set_back_is_tried_again_at_once() -> None:
    key = SpikeKey("spike", "BTCUSDT", NOW, "price")
    failed = Delivery(key, 1, "failed", None, None, NOW + timedelta(hours=1), 0, "run")
    planned = plan([key], [failed], NOW, timedelta(hours=2))
    assert [(attempt.key, attempt.number) for attempt in planned.attempts] == [(key, 2)]


def test_the_alert_sensor_plans_anew_where_the_clock_was_set_back_behind_its_last_look() -> None:
    position = LedgerPosition(1, None)
    cursor = Cursor.at(position, NOW + timedelta(minutes=30), NOW)
    assert not has_work(cursor, position, NOW + timedelta(minutes=29))
    assert has_work(cursor, position, NOW - timedelta(seconds=1))
    assert not has_work(Cursor.at(position, None, NOW), position, NOW - timedelta(hours=1))


class Clocks:
    """Two clocks as a test moves them, and an exchange that counts how often it was asked."""

    def __init__(self) -> None:
        self.epoch, self.steady = 1_000_000.0, 500.0
        self.questions = 0
        self.answer: Callable[[], None] = lambda: None
        self.watch = ClockWatch(
            self._compare, threading.Event(), epoch_seconds=lambda: self.epoch, steady_seconds=lambda: self.steady
        )

    def _compare(self) -> None:
        self.questions += 1
        self.answer()

    def pass_seconds(self, seconds: float) -> None:
        self.epoch += seconds
        self.steady += seconds
        self.watch.look()


def _refuse() -> None:
    raise ClockError("this machine's clock is 60 min 0 s behind the exchange's")


def _no_answer() -> None:
    raise ExchangeUnavailableError("cannot be reached")


@pytest.mark.parametrize("hours", [1, -1])
def test_a_clock_that_was_set_while_the_gateway_runs_is_compared_within_a_look_and_ends_it_where_it_is_wrong(
    hours: int,
) -> None:
    clocks = Clocks()
    clocks.pass_seconds(10)
    assert clocks.questions == 0
    clocks.epoch += hours * HOUR
    clocks.pass_seconds(1)
    clocks.pass_seconds(1)
    assert clocks.questions == 1  # and found right: a laptop that slept
    clocks.answer = _refuse
    clocks.epoch -= hours * HOUR
    with pytest.raises(ClockError, match="behind the exchange's"):
        clocks.pass_seconds(1)


def test_a_clock_that_drifts_is_compared_every_quarter_of_an_hour() -> None:
    clocks = Clocks()
    for _ in range(int(3 * COMPARE_EVERY_SECONDS)):
        clocks.pass_seconds(1)
    assert clocks.questions == 3


def test_where_the_exchange_does_not_answer_it_is_asked_again_until_it_does() -> None:
    clocks = Clocks()
    clocks.answer = _no_answer
    clocks.epoch -= HOUR
    for _ in range(3):
        clocks.pass_seconds(ASK_AGAIN_SECONDS)
    assert clocks.questions == 3
    clocks.answer = _refuse
    with pytest.raises(ClockError):
        clocks.pass_seconds(ASK_AGAIN_SECONDS)
