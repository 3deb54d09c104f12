"""The alert path end to end: rows in a real lake, the sensor and the job that it executes, a real receiver."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from firehose_dagster.alerts.delivery import Delivery
from firehose_dagster.alerts.ledger import Ledger
from firehose_dagster.contracts.ops_tables import OPS_DELIVERIES
from firehose_dagster.crash_points import CrashPoint, crashing
from firehose_dagster.defs.alerts import deliver_spikes, ops_deliveries
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.spike_sensor import PROCESS_TAG, spike_sensor
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster_tests.alerts.examples import (
    OTHER_SECRET,
    SECRET,
    append_spikes,
    free_port,
    made_lake,
    receiving,
    spike_of,
    this_minute,
)


class Installation:
    """A lake, an instance, and the environment that points code at them."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
        self.port = free_port()
        self.settings = made_lake(home, self.port)
        self.instance = instance
        self.cursor: str | None = None
        self.monkeypatch = monkeypatch
        monkeypatch.setenv("FIREHOSE_HOME", str(home))
        monkeypatch.setenv("FIREHOSE_RECEIVER_PORT", str(self.port))
        monkeypatch.setenv("FIREHOSE_WEBHOOK_SECRET", SECRET)

    def look(self) -> dg.SensorResult:
        """One tick of the sensor; the cursor goes on to the next."""
        context = dg.build_sensor_context(instance=self.instance, cursor=self.cursor)
        result = spike_sensor(context, firehose=FirehoseResource())
        assert isinstance(result, dg.SensorResult)
        self.cursor = result.cursor
        return result

    def executed(self) -> dg.DagsterRun:
        """One tick that must execute a run, and that run."""
        before = self.runs()
        told = _skip_reason(self.look())
        (run,) = [each for each in self.runs() if each.run_id not in {other.run_id for other in before}]
        assert run.run_id in told
        return run

    def runs(self) -> list[dg.DagsterRun]:
        return [record.dagster_run for record in self.instance.get_run_records()]

    def let_failed_runs_come_again_at_once(self) -> None:
        self.monkeypatch.setattr("firehose_dagster.defs.spike_sensor.BACKOFF", (timedelta(0),))

    def rows(self) -> list[Delivery]:
        rows = Ledger(open_catalog(self.settings)).recent_deliveries(datetime.now(UTC))
        return sorted(rows, key=lambda row: (row.attempted_at, row.attempt))

    def history(self) -> list[tuple[str, int, str]]:
        return [(row.key.symbol, row.attempt, row.outcome) for row in self.rows()]

    def make_due(self) -> None:
        """As if the last attempts had been made an hour ago: their rows are written anew with an older time."""
        earlier = self.rows()
        catalog = open_catalog(self.settings)
        table = catalog.load_table(OPS_DELIVERIES.identifier)
        table.delete("attempt >= 1")
        Ledger(catalog).append(
            [
                Delivery(
                    row.key,
                    row.attempt,
                    row.outcome,
                    row.http_status,
                    row.detail,
                    row.attempted_at - timedelta(hours=1),
                    row.duration_ms,
                    row.run_id,
                )
                for row in earlier
            ]
        )


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installation]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Installation(tmp_path, monkeypatch, instance)


def _skip_reason(result: dg.SensorResult) -> str:
    return str(result.skip_reason.skip_message if isinstance(result.skip_reason, dg.SkipReason) else result.skip_reason)


def _refuse(*_: object) -> None:
    raise OSError("disk full")


def test_spikes_are_posted_in_order_recorded_and_never_again(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute()), spike_of("BTCUSDT", this_minute(1))])
    with receiving(installation.port) as (receiver, _):
        assert installation.executed().is_success
        assert receiver.status.verified == 2
    assert [row.outcome for row in installation.rows()] == ["delivered", "delivered"]
    minutes = [row.key.minute for row in installation.rows()]
    assert minutes == sorted(minutes)
    assert "next due: nothing" in _skip_reason(installation.look())
    assert _skip_reason(installation.look()) == "nothing new, nothing due"


def test_the_ui_is_told_what_was_delivered(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with receiving(installation.port):
        installation.executed()
    event = installation.instance.get_latest_materialization_event(ops_deliveries.key)
    assert event is not None
    assert event.asset_materialization is not None
    assert event.asset_materialization.metadata["delivered"].value == 1


def test_a_receiver_that_is_down_is_failed_and_later_gets_the_same_id(installation: Installation) -> None:
    spike = spike_of("BTCUSDT", this_minute())
    append_spikes(installation.settings, [spike])
    assert installation.executed().is_success
    assert installation.history() == [("BTCUSDT", 1, "failed")]
    assert "next due" in _skip_reason(installation.look())
    installation.make_due()
    with receiving(installation.port) as (receiver, _):
        assert installation.executed().is_success
        assert receiver.status.last is not None
        assert receiver.status.last.spike_id == spike.spike_id
    assert installation.history() == [("BTCUSDT", 1, "failed"), ("BTCUSDT", 2, "delivered")]


def test_a_receiver_with_another_secret_refuses_and_the_row_says_401(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with receiving(installation.port, OTHER_SECRET) as (receiver, lines):
        assert installation.executed().is_success
        assert receiver.status.verified == 0
        assert lines == ["webhook refused: No matching signature found"]
    (row,) = installation.rows()
    assert (row.outcome, row.http_status) == ("failed", 401)


def test_a_spike_that_waits_for_an_earlier_one_does_not_hold_back_other_symbols(installation: Installation) -> None:
    append_spikes(
        installation.settings,
        [spike_of("BTCUSDT", this_minute(1)), spike_of("BTCUSDT", this_minute()), spike_of("ETHUSDT", this_minute())],
    )
    assert installation.executed().is_success
    assert sorted(installation.history()) == [("BTCUSDT", 1, "failed"), ("ETHUSDT", 1, "failed")]


def test_recordings_of_long_ago_are_recorded_as_expired_without_a_run(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", datetime(2021, 5, 19, 12, 0, tzinfo=UTC))])
    assert _skip_reason(installation.look()).startswith("expired: 1")
    assert [(row.outcome, row.run_id) for row in installation.rows()] == [("expired", "spike_sensor")]
    installation.look()
    assert len(installation.rows()) == 1


def test_a_run_that_is_executed_again_posts_nothing_twice(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with receiving(installation.port) as (receiver, _):
        run = installation.executed()
        again = deliver_spikes.execute_in_process(run_config=run.run_config, instance=installation.instance)
        assert again.success
        assert receiver.status.received == 1


@pytest.mark.parametrize(
    ("point", "posts"), [(CrashPoint.ALERT_SELECTED, 1), (CrashPoint.ALERT_POSTED, 2), (CrashPoint.ALERT_RECORDED, 1)]
)
def test_a_crash_of_the_run_loses_no_alert_and_a_second_post_has_the_same_id(
    installation: Installation, point: CrashPoint, posts: int
) -> None:
    spike = spike_of("BTCUSDT", this_minute())
    append_spikes(installation.settings, [spike])
    with receiving(installation.port) as (receiver, _):
        with crashing(point):
            deliver_spikes.execute_in_process(instance=installation.instance)
        installation.look()
        assert receiver.status.received == posts
        assert receiver.status.last is not None
        assert receiver.status.last.spike_id == spike.spike_id
    assert installation.history() == [("BTCUSDT", 1, "delivered")]


def test_a_person_may_start_the_job_without_configuration(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with receiving(installation.port):
        assert deliver_spikes.execute_in_process(instance=installation.instance).success
        assert deliver_spikes.execute_in_process(instance=installation.instance).success
    assert installation.history() == [("BTCUSDT", 1, "delivered")]


def test_while_a_run_is_unfinished_no_second_one_is_executed(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    run = installation.instance.create_run_for_job(deliver_spikes, status=dg.DagsterRunStatus.STARTED)
    assert _skip_reason(installation.look()) == f"run {run.run_id} is delivering"


def test_a_run_whose_process_died_is_closed_however_old_and_its_alerts_go_out_in_the_same_tick(
    installation: Installation,
) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    (installation.settings.state_dir / "runs").mkdir(parents=True)
    (installation.settings.state_dir / "runs" / "spike_sensor.an-earlier-life").touch()  # and nobody holds it
    left = installation.instance.create_run_for_job(
        deliver_spikes, status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: "an-earlier-life"}
    )
    installation.monkeypatch.setattr("firehose_dagster.defs.spike_sensor.RUN_GIVEN_UP_AFTER", timedelta(0))
    with receiving(installation.port):
        assert installation.executed().is_success
    closed = installation.instance.get_run_by_id(left.run_id)
    assert closed is not None
    assert closed.status == dg.DagsterRunStatus.FAILURE


def test_a_run_of_another_process_that_lives_holds_back_the_next(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with receiving(installation.port):
        told_process = installation.executed().tags[PROCESS_TAG]
    append_spikes(installation.settings, [spike_of("ETHUSDT", this_minute())])
    going_on = installation.instance.create_run_for_job(
        deliver_spikes, status=dg.DagsterRunStatus.STARTED, tags={PROCESS_TAG: told_process}
    )
    assert _skip_reason(installation.look()) == f"run {going_on.run_id} is delivering"


def test_a_tick_beside_one_that_delivers_waits(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    beside: list[str] = []

    def post(*_: object) -> None:
        beside.append(_skip_reason(installation.look()))
        raise OSError("no network")

    installation.monkeypatch.setattr("firehose_dagster.defs.alerts.WebhookSender.post", post)
    installation.executed()
    assert beside == ["another tick is delivering"]


def test_runs_that_end_without_a_record_come_again_later(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with installation.monkeypatch.context() as broken:
        broken.setattr("pyiceberg.table.Table.append", _refuse)
        first = installation.executed()
    assert _skip_reason(installation.look()).startswith(f"run {first.run_id} ended without a record; again at")
    installation.let_failed_runs_come_again_at_once()
    assert installation.executed().run_config == first.run_config


def test_a_hook_that_cannot_record_says_so_and_leaves_the_run_a_success(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with receiving(installation.port) as (receiver, _):
        installation.monkeypatch.setattr("pyiceberg.table.Table.append", _refuse)
        run = installation.executed()
        assert receiver.status.verified == 1
    assert run.is_success
    assert not installation.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.HOOK_ERRORED)
    logged = [entry.user_message for entry in installation.instance.all_logs(run.run_id) if not entry.is_dagster_event]
    assert any("1 outcomes were not recorded" in message for message in logged)


def test_a_run_that_fails_leaves_the_tick_green_and_says_so(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    installation.monkeypatch.setattr("firehose_dagster.alerts.ledger.Ledger.spikes", _refuse)
    told = _skip_reason(installation.look())
    (run,) = installation.runs()
    assert run.is_failure
    assert told == f"run {run.run_id} failed, see its log; planned: 1"


@pytest.mark.parametrize(("secret", "reason"), [("", "FIREHOSE_WEBHOOK_SECRET is not set"), ("whsec_!", "not base64")])
def test_without_a_usable_secret_the_sensor_skips_and_says_why(
    installation: Installation, secret: str, reason: str
) -> None:
    installation.monkeypatch.setenv("FIREHOSE_WEBHOOK_SECRET", secret)
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    assert reason in _skip_reason(installation.look())


def test_without_a_lake_the_sensor_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path / "empty", webhook_secret=SecretStr(SECRET))
    monkeypatch.setenv("FIREHOSE_HOME", str(settings.home))
    monkeypatch.setenv("FIREHOSE_WEBHOOK_SECRET", SECRET)
    with dg.DagsterInstance.ephemeral() as instance:
        result = spike_sensor(dg.build_sensor_context(instance=instance), firehose=FirehoseResource())
    assert isinstance(result, dg.SensorResult)
    assert f"there is no lake in {settings.lake_dir} yet" in _skip_reason(result)
    assert not settings.home.exists()


def test_a_catalog_that_does_not_answer_makes_the_sensor_skip(installation: Installation) -> None:
    installation.monkeypatch.setenv("FIREHOSE_CATALOG_URI", "http://127.0.0.1:9/")
    installation.monkeypatch.setenv("FIREHOSE_WAREHOUSE", "s3://lake/warehouse")
    assert "FIREHOSE_CATALOG_URI" in _skip_reason(installation.look())


def test_the_definitions_load_together() -> None:
    definitions = dg.Definitions(
        assets=[ops_deliveries],
        jobs=[deliver_spikes],
        sensors=[spike_sensor],
        resources={"firehose": FirehoseResource()},
    )
    dg.Definitions.validate_loadable(definitions)
