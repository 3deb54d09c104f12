"""Compaction that goes wrong on purpose: a rewrite with other rows is refused, or undone with what came since kept."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.maintenance.compaction import rewrite_commit, rewrite_files, run, swap
from firehose_dagster.maintenance.compaction.proof import CompactionProofError
from firehose_dagster.maintenance.compaction.report import Outcome
from firehose_dagster.maintenance.compaction.step import Step
from firehose_dagster.maintenance.compaction.table_compaction import compact
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import (
    append,
    audited,
    closed_hour,
    paths,
    rows_of,
    trade,
)

pytestmark = pytest.mark.spark

Spoil = Callable[[pa.Table], pa.Table]


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
    monkeypatch.setattr(run, "prove_written", lambda *_: None)


def without_second_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a wrong commit stand."""
    monkeypatch.setattr(swap, "problems", lambda *_: [])


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
