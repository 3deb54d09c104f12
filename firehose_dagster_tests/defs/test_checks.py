"""The verification as Dagster runs it: one at a time, beside the stream, on a state that expiry leaves alone."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import dagster as dg
import pytest

from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, SILVER
from firehose_dagster.defs import checks
from firehose_dagster.defs.checks import promises, verify_promises, verify_what_was_materialized
from firehose_dagster.defs.held_state import held_if_long
from firehose_dagster.defs.maintenance_pool import POOL
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.expiry.readers import pins_of
from firehose_dagster.settings import Settings
from firehose_dagster.verification.pinned_lake import pin
from firehose_dagster.verification.report import VerificationReport
from firehose_dagster_tests.verification.small_lake import small_lake, write


def test_each_materialization_is_verified_once_and_by_one_run_at_a_time(tmp_path: Path) -> None:
    @dg.job(name="verify_promises")
    def job() -> None: ...

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        context = dg.build_sensor_context(instance=instance)
        assert isinstance(verify_what_was_materialized(context), dg.SkipReason)
        instance.report_runless_asset_event(dg.AssetMaterialization(GOLD.name))
        assert isinstance(verify_what_was_materialized(context), dg.RunRequest)
        instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        assert isinstance(verify_what_was_materialized(context), dg.SkipReason)
        instance.report_runless_asset_event(dg.AssetMaterialization(GOLD.name))
        assert isinstance(verify_what_was_materialized(context), dg.SkipReason)
        (going_on,) = instance.get_runs()
        instance.report_run_canceled(going_on)
        assert isinstance(verify_what_was_materialized(context), dg.RunRequest)


def test_it_takes_turns_with_maintenance_and_ends_in_time() -> None:
    assert promises.op.pool == POOL
    assert (verify_promises.tags or {})["dagster/max_runtime"] == "21600"


def test_it_runs_at_a_low_priority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    priorities: list[int] = []

    def verified(_: Settings, **__: object) -> VerificationReport:
        priorities.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return VerificationReport(pinned={}, checks=(), symbols=(), remarks=())

    monkeypatch.setattr(checks, "verify", verified)
    told = promises(dg.build_asset_check_context(), FirehoseResource(home=str(tmp_path)))
    assert list(cast(Iterator[object], told)) == []
    assert priorities == [10]


def _at_once(_: float, hold: Callable[[], None]) -> threading.Timer:
    hold()
    return threading.Timer(0, lambda: None)


def _never(_: float, hold: Callable[[], None]) -> threading.Timer:
    return threading.Timer(3_600, hold)


def _pinned(settings: Settings) -> set[tuple[str, int]]:
    catalog = open_catalog(settings)
    found = (each for table in (SILVER, BRONZE) for each in pins_of(catalog.load_table(table.identifier)))
    return {(each.table, each.snapshot_id) for each in found}


def test_a_verification_that_takes_long_holds_what_it_reads_and_lets_go_of_it(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    catalog = open_catalog(settings)
    read = {
        (table.identifier, snapshot.snapshot_id)
        for table in (SILVER, BRONZE)
        if (snapshot := catalog.load_table(table.identifier).current_snapshot()) is not None
    }
    with pin(settings) as lake:
        with held_if_long(settings, lake, _at_once):
            assert _pinned(settings) >= read
        assert _pinned(settings) == set()
        with held_if_long(settings, lake, _never):
            assert _pinned(settings) == set()
