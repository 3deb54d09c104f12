"""Compaction on real tables, committed by Iceberg: same rows, fewer files, whatever is written meanwhile."""

import threading

import pyarrow as pa
import pytest
from filelock import FileLock

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.compaction import table_compaction
from firehose_dagster.maintenance.compaction.live_files import listing
from firehose_dagster.maintenance.compaction.report import Outcome
from firehose_dagster.maintenance.compaction.step import Step
from firehose_dagster.maintenance.compaction.table_compaction import CompactionBusyError, compact
from firehose_dagster.maintenance.completeness.look import look
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import (
    HOUR,
    HOUR_ORDINAL,
    append,
    audited,
    closed_hour,
    loaded,
    paths,
    rows_of,
    trade,
)

pytestmark = pytest.mark.spark


def test_the_files_of_a_closed_hour_become_one_sorted_file_with_the_same_rows(lake: Settings) -> None:
    closed_hour(lake)
    before = rows_of(lake)
    report = compact(lake, SILVER)
    assert report.summary == (
        "crypto_silver_trades: 6 files became 1, 24 rows; 0 groups left as they were; manifests 2 -> 3"
    )
    assert rows_of(lake) == before
    held = listing(loaded(lake))
    assert held is not None
    (merged,) = [file for file in held.files if file.partition == HOUR_ORDINAL]
    assert (merged.rows, merged.is_sorted) == (24, True)
    stored = pa.parquet.read_table(merged.path.removeprefix("file://")).select(["symbol", "agg_id"]).to_pylist()
    assert [row["symbol"] for row in stored] == ["BTCUSDT"] * 12 + ["ETHUSDT"] * 12
    assert [row["agg_id"] for row in stored] == [*range(1, 25, 2), *range(2, 25, 2)]


def test_the_commit_is_a_replacement_and_the_position_is_found_behind_it(lake: Settings) -> None:
    closed_hour(lake)
    compact(lake, SILVER)
    table = loaded(lake)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    assert snapshot.summary.operation.value == "replace"
    assert newest_stamp(table, OFFSETS) == '{"binance.aggtrade":{"0":99}}'


def test_a_look_at_completeness_does_not_read_everything_for_it(lake: Settings) -> None:
    closed_hour(lake)
    catalog = open_catalog(lake)
    assert look(catalog, lake).hours_read == 4
    compact(lake, SILVER)
    assert look(catalog, lake).hours_read == 2


def test_the_run_is_told_in_the_audit_with_the_gain(lake: Settings) -> None:
    closed_hour(lake)
    compact(lake, SILVER)
    assert audited(lake) == [{"kind": "compaction:crypto_silver_trades", "outcome": "rewritten", "files": "6"}]
    keys = run_query(lake, "SELECT unnest(json_keys(detail)) AS key FROM ops_audit").column("key").to_pylist()
    assert {"full_scan_seconds_before", "one_symbol_seconds_after", "by_minute_seconds_after"} <= set(keys)


def test_where_there_is_nothing_to_do_no_jvm_is_started(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    closed_hour(lake)
    compact(lake, SILVER)

    def refuse(*_: object) -> None:
        raise AssertionError("a JVM was started")

    monkeypatch.setattr(table_compaction, "iceberg_jvm", refuse)
    assert compact(lake, SILVER).summary == (
        "crypto_silver_trades: nothing to do; 1 closed partitions are compact, 1 are open"
    )
    assert compact(lake, BRONZE).summary == "crypto_bronze_aggtrade: the table is empty"
    assert compact(Settings(home=lake.home / "nothing"), SILVER).summary.endswith("the table is not there yet")


def test_rows_without_values_in_the_sort_columns_are_merged_too(lake: Settings) -> None:
    closed_hour(lake, files=1)
    for number in range(6):
        bronze = trade(number) | {"kafka_topic": "t", "kafka_timestamp": HOUR}
        unparsable = dict.fromkeys(trade(0)) | {
            "raw": "?",
            "kafka_topic": "t",
            "kafka_partition": 0,
            "kafka_offset": 100 + number,
            "kafka_timestamp": HOUR,
        }
        append(lake, [bronze, unparsable], BRONZE)
    before = rows_of(lake, BRONZE)
    report = compact(lake, BRONZE)
    assert sorted(str(result.partition) for result in report.rewritten) == [str(HOUR_ORDINAL), "None"]
    assert rows_of(lake, BRONZE) == before
    assert len(paths(lake, BRONZE)) == 2


def test_days_of_an_append_only_table_are_merged_while_they_last(lake: Settings) -> None:
    closed_hour(lake, files=1)
    for number in range(6):
        record(
            open_catalog(lake),
            MaintenanceRecord(f"run {number}", "other:table", HOUR, HOUR, {"number": number}),
        )
    before = rows_of(lake, OPS_AUDIT)
    assert compact(lake, OPS_AUDIT).rewritten[0].files_before == 6
    after = rows_of(lake, OPS_AUDIT)
    assert [row for row in after if row["kind"] == "other:table"] == before


def test_a_file_that_went_meanwhile_is_a_conflict_and_the_rest_goes_on(lake: Settings) -> None:
    closed_hour(lake)
    append(lake, [trade(number, at=HOUR) for number in range(500, 503)])

    def rewrite_meanwhile(step: Step) -> None:
        if step is Step.PROVED:
            loaded(lake).delete("agg_id = 1")

    report = compact(lake, SILVER, on_step=rewrite_meanwhile)
    assert [result.outcome for result in report.results] == [Outcome.CONFLICT]
    assert len(rows_of(lake)) == 27
    assert audited(lake)[0]["outcome"] == "conflict"


def test_late_rows_appended_while_an_hour_is_rewritten_are_kept(lake: Settings) -> None:
    closed_hour(lake)

    def append_meanwhile(step: Step) -> None:
        if step is Step.WRITTEN:
            append(lake, [trade(1_000)], stamps={OFFSETS: '{"binance.aggtrade":{"0":100}}'})

    assert len(compact(lake, SILVER, on_step=append_meanwhile).rewritten) == 1
    assert sorted(row["agg_id"] for row in rows_of(lake)) == [*range(1, 26), 1_000]
    assert newest_stamp(loaded(lake), OFFSETS) == '{"binance.aggtrade":{"0":100}}'


def test_many_manifests_become_few(lake: Settings) -> None:
    settings = lake.model_copy(update={"compaction_min_manifests": 3, "compaction_min_files": 100})
    with loaded(lake).transaction() as transaction:
        transaction.set_properties({"commit.manifest-merge.enabled": "false"})
    closed_hour(lake)
    before = rows_of(lake)
    report = compact(settings, SILVER)
    assert (report.manifests_before, report.manifests_after) == (7, 1)
    assert rows_of(lake) == before


def test_a_stop_ends_the_run_between_two_groups(lake: Settings) -> None:
    settings = lake.model_copy(update={"compaction_max_rows_per_file": 12})
    closed_hour(lake)
    stop = threading.Event()
    report = compact(settings, SILVER, stop=stop, on_step=lambda step: stop.set() if step is Step.CHECKED else None)
    assert [result.rows for result in report.rewritten] == [12]
    assert len(rows_of(lake)) == 25


def test_a_second_compaction_of_the_lake_is_refused(lake: Settings) -> None:
    closed_hour(lake)
    with (
        FileLock(lake.state_dir / "compaction.lock"),
        pytest.raises(CompactionBusyError, match="being compacted by another process"),
    ):
        compact(lake, SILVER)
