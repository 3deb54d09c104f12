"""Compaction on real tables, committed by Iceberg: same rows, fewer files, undone where they are not the same."""

import threading
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from filelock import FileLock

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.jars import JarsMissingError
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.maintenance import compaction, rewrite_commit, rewrite_files
from firehose_dagster.maintenance.audit_trail import MaintenanceRecord, record
from firehose_dagster.maintenance.compaction import CompactionBusyError, Step, compact
from firehose_dagster.maintenance.compaction_files import listing
from firehose_dagster.maintenance.compaction_proof import CompactionProofError
from firehose_dagster.maintenance.compaction_report import Outcome
from firehose_dagster.maintenance.rewrite_jvm import IcebergJvm, iceberg_jvm
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.small_files import (
    HOUR,
    HOUR_ORDINAL,
    append,
    closed_hour,
    loaded,
    made_lake,
    paths,
    rows_of,
    trade,
)

pytestmark = pytest.mark.spark

Spoil = Callable[[pa.Table], pa.Table]


@pytest.fixture(scope="module")
def jvm(tmp_path_factory: pytest.TempPathFactory, usable_java: Path) -> Iterator[IcebergJvm]:
    """One for all: each start takes a second."""
    try:
        with iceberg_jvm(made_lake(tmp_path_factory.mktemp("jvm"))) as started:
            yield started
    except JarsMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def lake(tmp_path: Path, jvm: IcebergJvm, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(compaction, "iceberg_jvm", lambda settings: nullcontext(jvm.of(settings)))
    # Nobody else commits here: there is no gap to wait for.
    monkeypatch.setattr(rewrite_commit, "_BUSY_WITHIN_SECONDS", 0.0)
    return made_lake(tmp_path / "home")


def altered(rows: pa.Table) -> pa.Table:
    """The second row's price, by the smallest step there is."""
    prices = rows.column("price").to_pylist()
    prices[1] += Decimal("0.00000001")
    position = rows.schema.get_field_index("price")
    return rows.set_column(position, rows.schema.field(position), pa.array(prices, rows.schema.field(position).type))


SPOILED = [
    pytest.param(lambda rows: rows.slice(1), "rows: 24 before, 23 after", id="a_row_lost"),
    pytest.param(lambda rows: pa.concat_tables([rows, rows.slice(3, 1)]), "rows: 24 before, 25 after", id="doubled"),
    pytest.param(
        lambda rows: pa.concat_tables([rows.slice(1), rows.slice(3, 1)]), "sum of qty", id="one_lost_another_doubled"
    ),
    pytest.param(altered, "sum of price: ", id="a_price_altered"),
]


def spoiling(monkeypatch: pytest.MonkeyPatch, spoil: Spoil) -> None:
    """Let the writer write other rows than it was given."""
    write = rewrite_files.write_parquet
    monkeypatch.setattr(
        rewrite_files, "write_parquet", lambda stream, contract, rows: write(stream, contract, spoil(rows))
    )


def without_first_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wrong file reach the commit."""
    monkeypatch.setattr(compaction, "prove_written", lambda *_: None)


def without_second_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wrong commit stand."""
    monkeypatch.setattr(compaction, "problems", lambda *_: [])


def audited(settings: Settings) -> list[dict[str, Any]]:
    told = "kind, detail->>'outcome' AS outcome, detail->>'files_before' AS files"
    sql = f"SELECT {told} FROM ops_audit ORDER BY started_at"  # noqa: S608 - a constant
    rows: list[dict[str, Any]] = run_query(settings, sql).to_pylist()
    return rows


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

    monkeypatch.setattr(compaction, "iceberg_jvm", refuse)
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


@pytest.mark.parametrize(("spoil", "told"), SPOILED)
def test_a_file_with_other_rows_is_never_committed(
    lake: Settings, monkeypatch: pytest.MonkeyPatch, spoil: Spoil, told: str
) -> None:
    closed_hour(lake)
    before, files = rows_of(lake), paths(lake)
    spoiling(monkeypatch, spoil)
    with pytest.raises(CompactionProofError, match=told):
        compact(lake, SILVER)
    assert rows_of(lake) == before
    assert paths(lake) == files
    assert audited(lake)[0]["outcome"] == "refused"


@pytest.mark.parametrize(("spoil", "told"), [SPOILED[0], *SPOILED[2:]])
def test_a_commit_with_other_rows_is_undone_and_what_was_appended_meanwhile_is_kept(
    lake: Settings, monkeypatch: pytest.MonkeyPatch, spoil: Spoil, told: str
) -> None:
    closed_hour(lake)
    files = paths(lake)
    spoiling(monkeypatch, spoil)
    without_first_proof(monkeypatch)

    def append_meanwhile(step: Step) -> None:
        if step is Step.FOUND_WRONG:
            append(lake, [trade(1_000), trade(1_001, "ETHUSDT")])

    with pytest.raises(CompactionProofError, match=told):
        compact(lake, SILVER, on_step=append_meanwhile)
    assert set(files) < set(paths(lake))
    assert len(paths(lake)) == len(files) + 1
    assert sorted(row["agg_id"] for row in rows_of(lake)) == [*range(1, 26), 1_000, 1_001]
    assert audited(lake)[0]["outcome"] == "put_back"


def test_without_both_proofs_a_lost_row_would_stay_lost(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    closed_hour(lake)
    spoiling(monkeypatch, lambda rows: rows.slice(1))
    without_first_proof(monkeypatch)
    without_second_proof(monkeypatch)
    compact(lake, SILVER)
    assert len(rows_of(lake)) == 24


def test_a_replacement_that_adds_rows_is_refused_by_iceberg_too(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_hour(lake)
    before = rows_of(lake)
    spoiling(monkeypatch, lambda rows: pa.concat_tables([rows, rows.slice(3, 1)]))
    without_first_proof(monkeypatch)
    without_second_proof(monkeypatch)
    report = compact(lake, SILVER)
    assert [result.outcome for result in report.results] == [Outcome.CONFLICT]
    assert "25 added records > 24 replaced records" in report.results[0].detail
    assert rows_of(lake) == before


def test_a_commit_that_lists_another_file_as_well_is_undone(lake: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    closed_hour(lake)
    before, files = rows_of(lake), paths(lake)
    replace = rewrite_commit.TableRewriter.replace

    def forget_a_file(rewriter: Any, old: Any, new: Any, stamps: Any) -> int:
        old.files.remove(next(iter(old.files)))
        # What is left holds fewer rows than the new file: only an overwrite lets that in.
        table, rewriter._table = rewriter._table, _Overwriting(rewriter._table)
        try:
            return replace(rewriter, old, new, stamps)
        finally:
            rewriter._table = table

    monkeypatch.setattr(rewrite_commit.TableRewriter, "replace", forget_a_file)
    with pytest.raises(CompactionProofError, match="1 of 6 replaced files are still listed"):
        compact(lake, SILVER)
    assert paths(lake) == files
    assert rows_of(lake) == before


class _Overwriting:
    """A table whose rewrite is an overwrite, which Iceberg does not check as strictly."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def __getattr__(self, name: str) -> Any:
        return getattr(self._table, name)

    def newRewrite(self) -> Any:
        return _RewriteAsOverwrite(self._table.newOverwrite())


class _RewriteAsOverwrite:
    def __init__(self, update: Any) -> None:
        self._update = update

    def validateFromSnapshot(self, _: int) -> "_RewriteAsOverwrite":
        return self

    def rewriteFiles(self, old: Any, new: Any) -> Any:
        for file in old:
            self._update.deleteFile(file)
        for file in new:
            self._update.addFile(file)
        return self._update


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


def test_a_fingerprint_that_differs_in_content_alone_is_refused(
    lake: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed_hour(lake)

    def renamed(rows: pa.Table) -> pa.Table:
        position = rows.schema.get_field_index("source")
        field = rows.schema.field(position)
        return rows.set_column(position, field, pa.array(["xx"] * rows.num_rows, field.type))

    spoiling(monkeypatch, renamed)
    with pytest.raises(CompactionProofError, match="the hash over all columns does not"):
        compact(lake, SILVER)
