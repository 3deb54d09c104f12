"""Compaction killed at every step: the table stays readable, and the next run repairs or goes on."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from firehose_dagster.contracts.position import OFFSETS
from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.lake.query import run_query
from firehose_dagster.lake.snapshots import newest_stamp
from firehose_dagster.maintenance.compaction import rewrite_commit
from firehose_dagster.maintenance.compaction.proof import CompactionProofError
from firehose_dagster.maintenance.compaction.step import Step
from firehose_dagster.maintenance.compaction.table_compaction import compact
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.compaction.compaction_child import NEEDS_A_WRONG_FILE
from firehose_dagster_tests.maintenance.compaction.small_files import closed_hour, loaded, made_lake, paths, rows_of

pytestmark = [pytest.mark.spark, pytest.mark.chaos, pytest.mark.slow]


@pytest.fixture
def lake(tmp_path: Path, usable_java: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(rewrite_commit, "_BUSY_WITHIN_SECONDS", 0.0)
    return made_lake(tmp_path / "home")


def killed(settings: Settings, step: Step, after_ms: int = 0) -> int:
    """Run the child until it dies; how it ended."""
    module = "firehose_dagster_tests.maintenance.compaction.compaction_child"
    child = subprocess.run(
        [sys.executable, "-m", module, str(settings.home), step.value, str(after_ms)],
        timeout=120,
        check=False,
        capture_output=True,
    )
    return child.returncode


def repaired(settings: Settings) -> None:
    """What must hold after two more runs: everything is merged, and each rewrite is recorded once."""
    compact(settings, SILVER)
    assert len(paths(settings)) == 2
    audit = run_query(settings, "SELECT count(*) AS n, count(DISTINCT run_id) AS ids FROM ops_audit").to_pylist()
    assert audit[0]["n"] == audit[0]["ids"] >= 1
    assert newest_stamp(loaded(settings), OFFSETS) == '{"binance.aggtrade":{"0":99}}'


@pytest.mark.parametrize("step", [step for step in Step if step not in NEEDS_A_WRONG_FILE])
def test_killed_at_a_step_no_row_is_lost_and_the_next_run_goes_on(lake: Settings, step: Step) -> None:
    closed_hour(lake)
    before = rows_of(lake)
    assert killed(lake, step) == -signal.SIGKILL
    assert rows_of(lake) == before
    compact(lake, SILVER)
    assert rows_of(lake) == before
    repaired(lake)


@pytest.mark.parametrize("after_ms", [20, 80, 200, 500])
def test_killed_somewhere_in_the_commit_it_is_done_or_not_done(lake: Settings, after_ms: int) -> None:
    closed_hour(lake)
    before = rows_of(lake)
    killed(lake, Step.PROVED, after_ms)
    assert rows_of(lake) == before
    compact(lake, SILVER)
    assert rows_of(lake) == before
    repaired(lake)


def test_killed_before_a_wrong_commit_was_undone_the_next_run_undoes_it_loudly(lake: Settings) -> None:
    closed_hour(lake)
    before = rows_of(lake)
    assert killed(lake, Step.FOUND_WRONG) == -signal.SIGKILL
    assert len(rows_of(lake)) == len(before) - 1
    with pytest.raises(CompactionProofError, match="23 rows that are not the 24 rows replaced"):
        compact(lake, SILVER)
    assert rows_of(lake) == before
    repaired(lake)


def test_killed_after_a_wrong_commit_was_undone_the_next_run_says_so_and_changes_nothing(lake: Settings) -> None:
    closed_hour(lake)
    before, files = rows_of(lake), paths(lake)
    assert killed(lake, Step.PUT_BACK) == -signal.SIGKILL
    assert rows_of(lake) == before
    with pytest.raises(CompactionProofError, match="its old files are listed again"):
        compact(lake, SILVER)
    assert paths(lake) == files
    repaired(lake)
    assert rows_of(lake) == before
