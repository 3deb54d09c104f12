"""Runs that fail and checks that fail reach a real receiver, once, also when it was away."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import msgspec
import pytest
from aiohttp import web

from firehose_dagster.defs import layer_alert
from firehose_dagster.defs.failure_alerts import failure_sensor
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.settings import Settings
from firehose_dagster.streams.progress import StreamProgress, progress_path
from firehose_dagster_tests.alerts.examples import SECRET, free_port, receiving, serving


class FailureConfig(dg.Config):
    fails: bool


@dg.op
def work(config: FailureConfig) -> None:
    if config.fails:
        raise dg.Failure("the table is locked")


@dg.job(name="expire_snapshots")
def expire_snapshots() -> None:
    work()


@dg.job(name="some_job")
def some_job() -> None:
    work()


@dg.asset
def layer() -> None: ...


@dg.asset_check(asset=layer)
def holds(config: FailureConfig) -> dg.AssetCheckResult:
    return dg.AssetCheckResult(passed=not config.fails)


class Watch:
    """The sensor on an instance, tick after tick."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance
        self.port = free_port()
        self.cursor: str | None = None

    def tick(self) -> str:
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = failure_sensor(context, firehose=FirehoseResource())
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor or self.cursor
        reason = result.skip_reason
        return str(reason.skip_message if isinstance(reason, dg.SkipReason) else reason)

    def run(self, job: dg.JobDefinition, *, fails: bool) -> None:
        config = dg.RunConfig(ops={"work": FailureConfig(fails=fails)})
        job.execute_in_process(run_config=config, instance=self.instance, raise_on_error=False)

    def check(self, *, fails: bool) -> None:
        config = dg.RunConfig(ops={"layer_holds": FailureConfig(fails=fails)})
        dg.materialize([layer, holds], run_config=config, instance=self.instance)


@pytest.fixture
def watch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    with dg.DagsterInstance.ephemeral() as instance:
        watch = Watch(instance)
        monkeypatch.setenv("FIREHOSE_HOME", str(tmp_path))
        monkeypatch.setenv("FIREHOSE_RECEIVER_PORT", str(watch.port))
        monkeypatch.setenv("FIREHOSE_WEBHOOK_SECRET", SECRET)
        yield watch


def _told(lines: list[str]) -> list[str]:
    """Job and words of each printed line, without the times."""
    return [f"{line.split()[2]} {line.partition(' UTC: ')[2]}" for line in lines]


def test_a_failed_maintenance_is_posted_once_and_not_again_while_it_goes_on_failing(watch: Watch) -> None:
    watch.run(expire_snapshots, fails=True)
    assert watch.tick() == "runs that end from now on are watched"
    with receiving(watch.port) as (receiver, lines):
        watch.run(expire_snapshots, fails=False)
        watch.run(expire_snapshots, fails=True)
        watch.run(some_job, fails=True)
        watch.tick()
        watch.run(expire_snapshots, fails=True)
        watch.tick()
        watch.tick()
        assert receiver.status.verified == 2
        assert receiver.status.duplicates == 0
    told = _told(lines)
    assert told[0].startswith("expire_snapshots failed: ")
    assert "the table is locked" in told[0]
    assert told[1].startswith("some_job failed: ")


def test_failed_checks_are_posted_when_they_change(watch: Watch) -> None:
    watch.tick()
    with receiving(watch.port) as (_, lines):
        for fails in (False, True, True, False, True):
            watch.check(fails=fails)
            watch.tick()
    assert [line.partition(" UTC: ")[2] for line in lines] == ["1 checks failed: layer:holds"] * 2


def test_a_failure_waits_for_a_receiver_that_is_away(watch: Watch) -> None:
    watch.tick()
    watch.run(some_job, fails=True)
    assert watch.tick().startswith("again later: no connection")
    with receiving(watch.port) as (receiver, _):
        assert watch.tick() == "1 runs ended, 1 failures posted"
        assert receiver.status.verified == 1


def test_a_receiver_that_knows_no_such_event_does_not_hold_up_the_next_failure(watch: Watch) -> None:
    watch.tick()
    received: list[str] = []

    async def refuse(request: web.Request) -> web.Response:
        received.append(request.headers["webhook-id"])
        return web.Response(status=400, text="no event of a known type")

    app = web.Application()
    app.router.add_post("/webhook", refuse)
    with serving(app, watch.port):
        watch.run(some_job, fails=True)
        assert watch.tick() == "1 runs ended, 0 failures posted"
        watch.run(expire_snapshots, fails=True)
        watch.tick()
        watch.tick()
    assert len(received) == len(set(received)) == 2


def test_without_a_secret_nothing_is_posted(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    watch.tick()
    monkeypatch.setenv("FIREHOSE_WEBHOOK_SECRET", "")
    watch.run(some_job, fails=True)
    assert "not set" in watch.tick()


def test_a_failure_is_posted_although_the_clock_was_set_back_behind_what_was_told_last(watch: Watch) -> None:
    watch.tick()
    ahead = datetime.now(UTC) + timedelta(hours=1)
    watch.cursor = msgspec.json.encode({"ended_after": ahead, "told": []}).decode()
    with receiving(watch.port) as (receiver, _):
        watch.tick()
        watch.run(some_job, fails=True)
        assert watch.tick() == "1 runs ended, 1 failures posted"
        assert receiver.status.verified == 1


def test_a_failure_is_posted_although_the_cursor_is_of_another_version(watch: Watch) -> None:
    watch.cursor = '{"position": 7}'
    watch.run(some_job, fails=True)
    with receiving(watch.port) as (receiver, _):
        assert watch.tick() == "1 runs ended, 1 failures posted"
        watch.tick()
        assert (receiver.status.verified, receiver.status.duplicates) == (1, 0)


def _show(home: Path, *, failing_for: timedelta | None, batches: int = 1) -> None:
    """What the stream's host shows, for the sensor to find."""
    now = datetime.now(UTC)
    path = progress_path(Settings(home=home))
    path.parent.mkdir(parents=True, exist_ok=True)
    progress = StreamProgress(pid=1, started_at=now, updated_at=now, batches=batches)
    if failing_for is not None:
        progress = msgspec.structs.replace(
            progress, failing="OSError: full", failing_table="crypto_gold_minute", failing_since=now - failing_for
        )
    path.write_bytes(msgspec.json.encode(progress))


def test_a_layer_that_takes_no_batches_is_posted_once_until_it_took_one(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_alert, "lease_is_held", lambda _: True)
    watch.tick()
    minutes = timedelta(minutes=2)
    told: list[int] = []
    with receiving(watch.port) as (receiver, lines):
        for failing_for, batches in (
            *((None, 1), (timedelta(0), 1), (minutes, 1), (minutes, 1)),
            # The stream was started again, and fails again: no news.
            *((None, 0), (minutes, 0)),
            # It recovered, and failed.
            *((None, 1), (minutes, 1)),
        ):
            _show(tmp_path, failing_for=failing_for, batches=batches)
            watch.tick()
            told.append(receiver.status.verified)
    assert told == [0, 0, 1, 1, 1, 1, 1, 2]
    assert lines[0].partition(" UTC: ")[2] == "1 checks failed: crypto_gold_minute:takes_every_batch"


def test_a_failing_layer_waits_for_a_receiver_that_is_away(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_alert, "lease_is_held", lambda _: True)
    watch.tick()
    _show(tmp_path, failing_for=timedelta(minutes=2))
    watch.tick()
    with receiving(watch.port) as (receiver, _):
        watch.tick()
        assert receiver.status.verified == 1


def test_a_layer_whose_post_was_not_answered_is_posted_under_the_same_id_after_a_restart_of_the_stream(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_alert, "lease_is_held", lambda _: True)
    watch.tick()
    received: list[tuple[str, str]] = []

    async def take(request: web.Request) -> web.Response:
        received.append((request.headers["webhook-id"], await request.text()))
        return web.Response(status=504 if len(received) < 3 else 200)

    app = web.Application()
    app.router.add_post("/webhook", take)
    with serving(app, watch.port):
        for failing_for, batches in (
            (timedelta(minutes=2), 1),
            # Another host: it knows since when it has failed itself.
            *((None, 0), (timedelta(0), 0), (timedelta(minutes=1), 0), (timedelta(minutes=1), 0)),
        ):
            _show(tmp_path, failing_for=failing_for, batches=batches)
            watch.tick()
            # Runs that end meanwhile move the cursor.
            watch.run(some_job, fails=False)
        assert len(received) == 3
        assert len(set(received)) == 1
        # It recovered, and failed: another failure.
        for failing in (None, timedelta(minutes=1)):
            _show(tmp_path, failing_for=failing)
            watch.tick()
    assert len(received) == 4
    assert received[3][0] != received[0][0]


def test_a_layer_that_recovered_before_it_could_be_told_is_not_told(
    watch: Watch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(layer_alert, "lease_is_held", lambda _: True)
    watch.tick()
    _show(tmp_path, failing_for=timedelta(minutes=2))
    watch.tick()
    _show(tmp_path, failing_for=None)
    watch.tick()
    with receiving(watch.port) as (receiver, _):
        watch.tick()
        assert receiver.status.verified == 0
