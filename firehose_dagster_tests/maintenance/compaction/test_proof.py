"""The second proof on commits made by hand: what it finds wrong where every other figure is right."""

from pathlib import Path

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.maintenance.compaction.fingerprint import Fingerprint, differences, fingerprint
from firehose_dagster.maintenance.compaction.proof import Rewrite, Stamp, problems
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.small_files import (
    HOUR_ORDINAL,
    append,
    loaded,
    made_lake,
    paths,
    trade,
)


def _stamp(settings: Settings, path: str, rows: int) -> Stamp:
    digest = fingerprint(loaded(settings), SILVER, [path]).digest()
    return Stamp(id="1", action="rewrite", partition=HOUR_ORDINAL, rows=rows, digest=digest)


def test_a_commit_that_lists_its_file_a_second_time_is_found(tmp_path: Path) -> None:
    settings = made_lake(tmp_path)
    append(settings, [trade(1), trade(2)])
    (path,) = paths(settings)
    loaded(settings).add_files([path], check_duplicate_files=False)
    snapshot = loaded(settings).current_snapshot()
    assert snapshot is not None
    rewrite = Rewrite(snapshot.snapshot_id, frozenset(), path)
    found = problems(loaded(settings), SILVER, rewrite, _stamp(settings, path, 2), None, threads=1)
    assert found == [f"{path} is listed more than once"]


def test_after_a_kill_the_stamp_alone_tells_that_rows_are_others(tmp_path: Path) -> None:
    settings = made_lake(tmp_path)
    rewrite = Rewrite(append(settings, [trade(1), trade(2)]), frozenset(), *paths(settings))
    right = _stamp(settings, rewrite.new_path, 2)
    assert problems(loaded(settings), SILVER, rewrite, right, None, threads=1) == []

    others = made_lake(tmp_path / "others")
    append(others, [trade(1), trade(3)])
    (other_path,) = paths(others)
    wrong = _stamp(others, other_path, 2)
    found = problems(loaded(settings), SILVER, rewrite, wrong, None, threads=1)
    assert found == ["2 rows that are not the 2 rows replaced"]


def test_rows_that_differ_where_no_figure_sums_them_up_are_told_apart() -> None:
    found = differences(Fingerprint(rows=1, content="1"), Fingerprint(rows=1, content="2"))
    assert found == ["content: counts and sums agree, the hash over all columns does not"]
