"""The alert path end to end: rows in a real lake, the sensor and the job that it executes, a real receiver."""

from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import dagster as dg
import pytest
from pydantic import SecretStr

from firehose_dagster.alerts.outbox import plan
from firehose_dagster.crash_points import CrashPoint, crashing
from firehose_dagster.defs.alerts import deliver_spikes, ops_deliveries
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.spike_sensor import spike_sensor
from firehose_dagster.settings import Settings
from firehose_dagster_tests.alerts.examples import (
    OTHER_SECRET,
    SECRET,
    append_spikes,
    receiving,
    spike_of,
    this_minute,
)
from firehose_dagster_tests.defs.alert_installation import Installation, refuse, skip_reason


def test_spikes_are_posted_in_order_recorded_and_never_again(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute()), spike_of("BTCUSDT", this_minute(1))])
    with receiving(installation.port) as (receiver, _):
        assert installation.executed().is_success
        assert receiver.status.verified == 2
    assert [row.outcome for row in installation.rows()] == ["delivered", "delivered"]
    minutes = [row.key.minute for row in installation.rows()]
    assert minutes == sorted(minutes)
    assert "next due: nothing" in skip_reason(installation.look())
    assert skip_reason(installation.look()) == "nothing new, nothing due"


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
    patient = partial(plan, backoff=(timedelta(minutes=5),))
    installation.monkeypatch.setattr("firehose_dagster.defs.spike_sensor.plan", patient)
    assert installation.executed().is_success
    assert installation.history() == [("BTCUSDT", 1, "failed")]
    assert "next due" in skip_reason(installation.look())
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
    assert skip_reason(installation.look()).startswith("expired: 1")
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


def test_a_hook_that_cannot_record_says_so_and_leaves_the_run_a_success(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with receiving(installation.port) as (receiver, _):
        installation.monkeypatch.setattr("pyiceberg.table.Table.append", refuse)
        run = installation.executed()
        assert receiver.status.verified == 1
    assert run.is_success
    assert not installation.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.HOOK_ERRORED)
    logged = [entry.user_message for entry in installation.instance.all_logs(run.run_id) if not entry.is_dagster_event]
    assert any("1 outcomes were not recorded" in message for message in logged)


@pytest.mark.parametrize(("secret", "reason"), [("", "FIREHOSE_WEBHOOK_SECRET is not set"), ("whsec_!", "not base64")])
def test_without_a_usable_secret_the_sensor_skips_and_says_why(
    installation: Installation, secret: str, reason: str
) -> None:
    installation.monkeypatch.setenv("FIREHOSE_WEBHOOK_SECRET", secret)
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    assert reason in skip_reason(installation.look())


def test_without_a_lake_the_sensor_skips(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path / "empty", webhook_secret=SecretStr(SECRET))
    monkeypatch.setenv("FIREHOSE_HOME", str(settings.home))
    monkeypatch.setenv("FIREHOSE_WEBHOOK_SECRET", SECRET)
    with dg.DagsterInstance.ephemeral() as instance:
        result = spike_sensor(dg.build_sensor_context(instance=instance), firehose=FirehoseResource())
    assert isinstance(result, dg.SensorResult)
    assert f"there is no lake in {settings.lake_dir} yet" in skip_reason(result)
    assert not settings.home.exists()


def test_a_catalog_that_does_not_answer_makes_the_sensor_skip(installation: Installation) -> None:
    installation.monkeypatch.setenv("FIREHOSE_CATALOG_URI", "http://127.0.0.1:9/")
    installation.monkeypatch.setenv("FIREHOSE_WAREHOUSE", "s3://lake/warehouse")
    assert "FIREHOSE_CATALOG_URI" in skip_reason(installation.look())


def test_the_definitions_load_together() -> None:
    definitions = dg.Definitions(
        assets=[ops_deliveries],
        jobs=[deliver_spikes],
        sensors=[spike_sensor],
        resources={"firehose": FirehoseResource()},
    )
    dg.Definitions.validate_loadable(definitions)
