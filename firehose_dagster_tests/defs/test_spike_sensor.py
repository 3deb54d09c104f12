"""One delivery at a time: which run holds back the next, and what becomes of one that ended without a word."""

from datetime import timedelta

import dagster as dg

from firehose_dagster.defs.alerts import deliver_spikes
from firehose_dagster.defs.spike_sensor import PROCESS_TAG
from firehose_dagster_tests.alerts.examples import (
    append_spikes,
    receiving,
    spike_of,
    this_minute,
)
from firehose_dagster_tests.defs.alert_installation import Installation, refuse, skip_reason


def test_while_a_run_is_unfinished_no_second_one_is_executed(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    run = installation.instance.create_run_for_job(deliver_spikes, status=dg.DagsterRunStatus.STARTED)
    assert skip_reason(installation.look()) == f"run {run.run_id} is delivering"


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
    assert skip_reason(installation.look()) == f"run {going_on.run_id} is delivering"


def test_a_tick_beside_one_that_delivers_waits(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    beside: list[str] = []

    def post(*_: object) -> None:
        beside.append(skip_reason(installation.look()))
        raise OSError("no network")

    installation.monkeypatch.setattr("firehose_dagster.defs.alerts.WebhookSender.post", post)
    installation.executed()
    assert beside == ["another tick is delivering"]


def test_runs_that_end_without_a_record_come_again_later(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    with installation.monkeypatch.context() as broken:
        broken.setattr("pyiceberg.table.Table.append", refuse)
        first = installation.executed()
    installation.monkeypatch.setattr("firehose_dagster.defs.spike_sensor.BACKOFF", (timedelta(minutes=5),))
    assert skip_reason(installation.look()).startswith(f"run {first.run_id} ended without a record; again at")
    installation.let_failed_runs_come_again_at_once()
    assert installation.executed().run_config == first.run_config


def test_a_run_that_fails_leaves_the_tick_green_and_says_so(installation: Installation) -> None:
    append_spikes(installation.settings, [spike_of("BTCUSDT", this_minute())])
    installation.monkeypatch.setattr("firehose_dagster.alerts.ledger.Ledger.spikes", refuse)
    told = skip_reason(installation.look())
    (run,) = installation.runs()
    assert run.is_failure
    assert told == f"run {run.run_id} failed, see its log; planned: 1"
