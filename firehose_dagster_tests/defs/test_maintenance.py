"""Expiry and orphan removal as Dagster runs them: what they tell, and what they do not start."""

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.defs.maintenance import orphan_removal, snapshot_expiry
from firehose_dagster.defs.maintenance_pool import POOL, run_unless_one_is_unfinished
from firehose_dagster.defs.resources import FirehoseResource
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import append, small_lake, write, write_gold


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("FIREHOSE_SNAPSHOTS_MIN_KEPT", "1")
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    return settings


def _materialize(asset: dg.AssetsDefinition, settings: Settings) -> dg.ExecuteInProcessResult:
    return dg.materialize([asset], resources={"firehose": FirehoseResource(home=str(settings.home))})


def _metadata(result: dg.ExecuteInProcessResult) -> dict[str, object]:
    (event,) = result.get_asset_materialization_events()
    return {key: value.value for key, value in event.materialization.metadata.items()}


def test_a_young_lake_has_nothing_to_expire_and_leaves_no_row(settings: Settings) -> None:
    told = _metadata(_materialize(snapshot_expiry, settings))
    assert told["summary"] == "nothing to do"
    audit = open_catalog(settings).load_table("crypto.ops_audit").scan(row_filter="kind != 'micro_batch'")
    assert audit.to_arrow().num_rows == 0


def test_old_snapshots_expire_with_a_row_in_the_audit_and_the_lake_stays_verified(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = open_catalog(settings)
    # The gold of a second silver snapshot: what was before it is needed by nobody once it is old.
    first = small_lake()
    for _ in range(2):
        snapshot_id = append(settings, SILVER, [], {OFFSETS: first.position().to_json()})
        write_gold(settings, first.gold, snapshot_id)
    later = datetime.now(UTC) + timedelta(hours=1)

    class Later(datetime):
        @classmethod
        def now(cls, tz: object = None) -> "Later":
            return cls.fromtimestamp(later.timestamp(), UTC)

    monkeypatch.setattr("firehose_dagster.maintenance.expiry.table_expiry.datetime", Later)
    told = _metadata(_materialize(snapshot_expiry, settings))
    assert verify(settings).ok
    audit = catalog.load_table("crypto.ops_audit").scan(row_filter="kind != 'micro_batch'").to_arrow().to_pylist()
    # Silver keeps the line back to a batch that the audit lacks; what gold replaced is needed by nobody.
    assert [each["kind"] for each in audit] == ["expiry:crypto_gold_minute"]
    assert json.loads(audit[0]["detail"])["snapshots_expired"] == told["snapshots expired"]


def test_orphans_are_observed_before_they_are_removed(settings: Settings) -> None:
    planted = settings.lake_dir / "warehouse" / "crypto" / SILVER.name / "data" / "dead.parquet"
    planted.write_bytes(b"dead")
    long_ago = datetime.now(UTC).timestamp() - 5 * 86_400
    os.utime(planted, (long_ago, long_ago))
    result = _materialize(orphan_removal, settings)
    (observation,) = [event for event in result.all_events if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
    assert observation.asset_observation_data.asset_observation.metadata["orphans"].value == 1
    assert _metadata(result)["files removed"] == 1
    assert not planted.exists()


def test_a_dry_run_removes_nothing(settings: Settings) -> None:
    planted = settings.lake_dir / "warehouse" / "crypto" / SILVER.name / "data" / "dead.parquet"
    planted.write_bytes(b"dead")
    long_ago = datetime.now(UTC).timestamp() - 5 * 86_400
    os.utime(planted, (long_ago, long_ago))
    result = dg.materialize(
        [orphan_removal],
        resources={"firehose": FirehoseResource(home=str(settings.home))},
        run_config={"ops": {"orphan_removal": {"config": {"dry_run": True}}}},
    )
    assert _metadata(result)["orphans found"] == 1
    (observation,) = [event for event in result.all_events if event.event_type == dg.DagsterEventType.ASSET_OBSERVATION]
    told = observation.asset_observation_data.asset_observation.description
    assert told == "would be removed from crypto_silver_trades"
    assert planted.exists()


def test_one_table_that_is_unclear_fails_the_run_after_the_others_were_done(settings: Settings) -> None:
    (settings.lake_dir / "warehouse" / "crypto" / SILVER.name / "data").rename(settings.home / "moved")
    with pytest.raises(dg.Failure, match=f"{SILVER.name}: the listing"):
        _materialize(orphan_removal, settings)


def test_maintenance_takes_turns_in_one_pool() -> None:
    for asset in (snapshot_expiry, orphan_removal):
        assert {asset.op.pool} == {POOL}


def test_a_schedule_starts_one_run_and_none_beside_it() -> None:
    @dg.job(name="expire_snapshots")
    def job() -> None: ...

    with dg.DagsterInstance.ephemeral() as instance:
        assert run_unless_one_is_unfinished(instance, "expire_snapshots") == dg.RunRequest()
        run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED)
        skipped = run_unless_one_is_unfinished(instance, "expire_snapshots")
        assert isinstance(skipped, dg.SkipReason)
        instance.report_run_failed(run)
        assert run_unless_one_is_unfinished(instance, "expire_snapshots") == dg.RunRequest()


def test_no_maintenance_asks_for_a_spark_session() -> None:
    for asset in (snapshot_expiry, orphan_removal):
        assert "spark" not in asset.required_resource_keys
