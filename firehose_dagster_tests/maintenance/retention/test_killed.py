"""A real SIGKILL at every step of bronze's retention: every promise stays provable, and the next run goes on."""

from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import pytest

from firehose_dagster.contracts.retirement import RETIRED_HOURS, from_text, hours_of
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.orphans.removal import remove_orphans
from firehose_dagster.maintenance.retention.bronze import RetentionStep, retire_bronze
from firehose_dagster.settings import Settings
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.maintenance.killed_child import BOTH_HOURS_ARE_OLD, BRONZE_KEEP_DAYS, killed
from firehose_dagster_tests.maintenance.orphans.planted_files import backdate_all
from firehose_dagster_tests.maintenance.small_tables import on_disk, reached
from firehose_dagster_tests.verification.small_lake import small_lake, write

pytestmark = [pytest.mark.chaos, pytest.mark.slow]

HOURS = (490_905, 490_906)
"""Of the small lake, since the epoch: 20,454 days (2026-01-01), and 9 and 10 hours."""
KEPT = 3
"""Its duplicate, its rejected row and its conflict, all of the first hour."""
RETIRED_BY = {RetentionStep.PROVED: 0, RetentionStep.WRITTEN: 0, RetentionStep.RETIRED: 1}


def rows(settings: Settings, table: str) -> int:
    return open_catalog(settings).load_table(f"crypto.{table}").scan().count()


def retired_hours(settings: Settings) -> set[int]:
    text = open_catalog(settings).load_table(BRONZE.identifier).properties.get(RETIRED_HOURS)
    return set(hours_of(from_text(text)))


@pytest.mark.parametrize("hour", [1, 2])
@pytest.mark.parametrize("step", list(RetentionStep))
def test_a_killed_retention_is_ended_by_the_next(tmp_path: Path, step: RetentionStep, hour: int) -> None:
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    held = rows(settings, SILVER.name)
    assert rows(settings, BRONZE.name) == held + KEPT

    killed("bronze", tmp_path, step, times=hour)
    assert retired_hours(settings) == set(HOURS[: hour - 1 + RETIRED_BY[step]])
    assert verify(settings).ok

    now = BOTH_HOURS_ARE_OLD + timedelta(hours=1)
    went_on = list(retire_bronze(open_catalog(settings), BRONZE_KEEP_DAYS, nullcontext, now=now, quiet_after_seconds=0))
    assert len(went_on) == 3 - hour - RETIRED_BY[step]
    assert retired_hours(settings) == set(HOURS)
    assert rows(settings, BRONZE.name) == KEPT
    assert rows(settings, SILVER.name) == held
    assert verify(settings).ok

    # What the killed run had written and not committed lies there until orphans are removed, and harms nobody.
    backdate_all(tmp_path)
    outcome = remove_orphans(settings, open_catalog(settings), BRONZE)
    assert outcome is not None
    assert bool(outcome.removed.files) == (step is RetentionStep.WRITTEN)
    table = open_catalog(settings).load_table(BRONZE.identifier)
    avro = {each for each in on_disk(table, "metadata") if each.endswith(".avro")}
    assert on_disk(table, "data") | avro == reached(table, table.metadata.snapshots)
    assert verify(settings).ok
