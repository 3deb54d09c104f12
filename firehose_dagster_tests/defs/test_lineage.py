"""The sensor tells of runs that others made: assets with what they were made from, failures with their reason."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import msgspec
import pytest
from pydantic import HttpUrl

from firehose_dagster.defs.lineage import lineage, tell_runs
from firehose_dagster.settings import Settings
from firehose_dagster_tests.lineage.receiver import Receiver, receiving_lineage


@dg.asset(name="ops_completeness", deps=[dg.AssetKey(["crypto_silver_trades"])])
def seals() -> dg.MaterializeResult[None]:
    return dg.MaterializeResult(metadata={"dagster/row_count": 24})


@dg.op
def break_down() -> None:
    raise ValueError("the disk is full")


@dg.job
def backup() -> None:
    break_down()


DEFINITIONS = dg.Definitions(assets=[seals], jobs=[backup, dg.define_asset_job("seal_hours", selection=[seals])])


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving_lineage() as receiver:
        yield receiver


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


def look(instance: dg.DagsterInstance, settings: Settings, cursor: str | None) -> dg.SensorResult:
    context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=DEFINITIONS.get_repository_def())
    return tell_runs(context, settings)


def an_hour_ago() -> str:
    return msgspec.json.encode({"updated_at": datetime.now(UTC) - timedelta(hours=1)}).decode()


def test_an_asset_is_told_with_what_it_was_made_from_and_once(
    instance: dg.DagsterInstance, receiver: Receiver, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, openlineage_url=HttpUrl(receiver.url))
    run = DEFINITIONS.resolve_job_def("seal_hours").execute_in_process(instance=instance)
    first = look(instance, settings, an_hour_ago())
    receiver.wait_for(lambda: receiver.states("seal_hours") == ["START", "COMPLETE"])
    assert receiver.complaints == []
    complete = receiver.events[-1]
    assert complete["run"]["runId"] == run.run_id
    assert [each["name"].rpartition("/")[2] for each in complete["inputs"]] == ["crypto_silver_trades"]
    assert receiver.rows_written("ops_completeness") == 24
    second = look(instance, settings, first.cursor)
    assert second.skip_reason is not None
    assert second.skip_reason.skip_message == "runs told: 0"


def test_a_run_that_failed_is_told_with_its_reason(
    instance: dg.DagsterInstance, receiver: Receiver, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, openlineage_url=HttpUrl(receiver.url))
    DEFINITIONS.resolve_job_def("backup").execute_in_process(instance=instance, raise_on_error=False)
    look(instance, settings, an_hour_ago())
    receiver.wait_for(lambda: receiver.states("backup") == ["START", "FAIL"])
    assert receiver.events[-1]["run"]["facets"]["errorMessage"]["message"] == "ValueError: the disk is full"


@pytest.mark.parametrize("cursor", [None, "", "not a cursor"])
def test_the_first_look_tells_nothing_of_the_past(
    cursor: str | None, instance: dg.DagsterInstance, receiver: Receiver, tmp_path: Path
) -> None:
    settings = Settings(home=tmp_path, openlineage_url=HttpUrl(receiver.url))
    DEFINITIONS.resolve_job_def("seal_hours").execute_in_process(instance=instance)
    result = look(instance, settings, cursor)
    assert result.skip_reason is not None
    assert result.skip_reason.skip_message == "runs told: 0"
    assert receiver.events == []


def test_the_sensor_is_there_only_where_lineage_is_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert lineage().sensors in (None, [])
    monkeypatch.setenv("OPENLINEAGE_URL", "http://127.0.0.1:5000")
    assert [sensor.name for sensor in lineage().sensors or []] == ["lineage_sensor"]
