"""Retention as Dagster runs it: off by default, told in the audit when it is on."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.contracts.trade_tables import BRONZE
from firehose_dagster.defs import retention as retention_module
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.defs.retention import retention
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.retirement_lock import bronze_and_silver_held
from firehose_dagster.maintenance.retention.bronze import RetiredHour
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import small_lake, write


def _run(settings: Settings) -> dict[str, object]:
    result = dg.materialize([retention], resources={"firehose": FirehoseResource(home=str(settings.home))})
    (event,) = result.get_asset_materialization_events()
    return {key: value.value for key, value in event.materialization.metadata.items()}


def test_it_is_off_unless_asked_for(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    before = open_catalog(settings).load_table(BRONZE.identifier).metadata_location
    told = _run(settings)
    assert (told["bronze"], told["audit"], told["bronze rows retired"]) == ("off", "off", 0)
    assert open_catalog(settings).load_table(BRONZE.identifier).metadata_location == before


def test_what_left_is_in_the_audit_and_the_lake_stays_verified(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    monkeypatch.setenv("FIREHOSE_BRONZE_KEEP_DAYS", "30")
    told = _run(settings)
    assert told["bronze hours retired"] == 2
    audit = open_catalog(settings).load_table("crypto.ops_audit").scan(row_filter="kind != 'micro_batch'").to_arrow()
    (row,) = audit.to_pylist()
    assert row["kind"] == f"retention:{BRONZE.name}"
    assert json.loads(row["detail"])["rows_retired"] == told["bronze rows retired"] == len(small_lake().silver)
    assert verify(settings).ok


def test_no_rebuild_can_empty_silver_while_an_hour_is_retired(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    monkeypatch.setenv("FIREHOSE_BRONZE_KEEP_DAYS", "30")
    entered: list[Path] = []

    @contextmanager
    def held(told: Settings) -> Iterator[None]:
        entered.append(told.home)
        with bronze_and_silver_held(told):
            yield

    monkeypatch.setattr(retention_module, "bronze_and_silver_held", held)
    assert _run(settings)["bronze hours retired"] == 2
    assert entered == [tmp_path, tmp_path]


def test_what_left_before_the_run_failed_is_in_the_audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())

    def one_hour_then_a_lost_race(*_: object, **__: object) -> Iterator[RetiredHour]:
        yield RetiredHour(datetime(2026, 1, 1, 9, tzinfo=UTC), rows_retired=60, rows_kept=3, unexplained=0)
        # Another error would be tried again, half a minute later.
        raise dg.Failure("a writer was first 5 times", allow_retries=False)

    monkeypatch.setattr(retention_module, "retire_bronze", one_hour_then_a_lost_race)
    resources = {"firehose": FirehoseResource(home=str(settings.home))}
    assert not dg.materialize([retention], resources=resources, raise_on_error=False).success
    audit = open_catalog(settings).load_table("crypto.ops_audit").scan(row_filter="kind != 'micro_batch'").to_arrow()
    (row,) = audit.to_pylist()
    assert row["kind"] == f"retention:{BRONZE.name}"
    assert json.loads(row["detail"]) == {"hours": 1, "rows_retired": 60, "hours_left": 0}
