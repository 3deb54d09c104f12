"""Silver is not emptied for a rebuild while retention takes rows from bronze because silver holds them."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest
from filelock import FileLock, Timeout
from pyiceberg.catalog import Catalog

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.lake import retirement_lock
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.retirement_lock import LOCK_FILE, RetirementLockedError, bronze_and_silver_held
from firehose_dagster.maintenance.retention.bronze import RetentionStep, RetiredHour, retire_bronze
from firehose_dagster.settings import Settings
from firehose_dagster.streams import rebuild
from firehose_dagster.verification.verify import verify
from firehose_dagster_tests.verification.small_lake import small_lake, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

NOW = datetime(2026, 1, 8, 10, tzinfo=UTC)
"""Seven days after the first of the small lake's hours."""
NO_SPARK = cast("SparkSession", object())


class EmptiedByPyiceberg:
    """What a rebuild does to a table, without a JVM."""

    def __init__(self, _: object, table: Table, settings: Settings) -> None:
        self._settings = settings
        self._table = open_catalog(settings).load_table(table.identifier)

    def snapshot_id(self) -> int | None:
        snapshot = self._table.current_snapshot()
        return None if snapshot is None else snapshot.snapshot_id

    def empty(self, properties: Mapping[str, str]) -> None:
        # Nobody can retire an hour between what the rebuild was told of bronze and this.
        assert _is_locked(self._settings)
        self._table.delete(snapshot_properties=dict(properties))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(rebuild, "DriverTable", EmptiedByPyiceberg)
    settings = Settings(home=tmp_path)
    write(settings, small_lake())
    return settings


def _is_locked(settings: Settings) -> bool:
    try:
        with FileLock(settings.state_dir / LOCK_FILE, timeout=0):
            return False
    except Timeout:
        return True


def _empty_silver(settings: Settings) -> None:
    rebuild.empty_for_rebuild(NO_SPARK, open_catalog(settings), settings, "silver")


def _retire(settings: Settings, on_step: Callable[[RetentionStep], None] = lambda _: None) -> list[RetiredHour]:
    hours = retire_bronze(
        open_catalog(settings),
        7,
        lambda: bronze_and_silver_held(settings),
        now=NOW,
        quiet_after_seconds=0,
        on_step=on_step,
    )
    return list(hours)


def _held(catalog: Catalog) -> set[tuple[str, int]]:
    """The trades that bronze or silver has."""
    found: set[tuple[str, int]] = set()
    for table in (BRONZE, SILVER):
        rows = catalog.load_table(table.identifier).scan(selected_fields=("symbol", "agg_id")).to_arrow().to_pylist()
        found |= {(row["symbol"], row["agg_id"]) for row in rows}
    return found


@pytest.mark.parametrize("step", [RetentionStep.PROVED, RetentionStep.WRITTEN])
def test_a_rebuild_beside_an_hour_that_is_proved_is_held_off(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, step: RetentionStep
) -> None:
    monkeypatch.setattr(retirement_lock, "PATIENCE_SECONDS", 0.0)
    catalog = open_catalog(settings)
    before = _held(catalog)

    def rebuild_beside(at: RetentionStep) -> None:
        if at is step:
            with pytest.raises(RetirementLockedError, match=f"{LOCK_FILE} is locked"):
                _empty_silver(settings)

    with caplog.at_level("INFO", logger=retirement_lock.__name__):
        (hour,) = _retire(settings, rebuild_beside)
    assert "waits for the retention of bronze" in caplog.text
    assert hour.rows_retired > 0
    assert _held(catalog) == before
    # Gold was not emptied either.
    assert verify(settings).ok
    with pytest.raises(rebuild.BronzeRetiredError):
        _empty_silver(settings)


def test_a_rebuild_that_waited_for_the_hour_is_told_that_it_left(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    refuse_if_retired = rebuild.refuse_if_retired
    asked = 0

    def then_an_hour_leaves(catalog: Catalog) -> None:
        nonlocal asked
        refuse_if_retired(catalog)
        asked += 1
        if asked == 1:
            _retire(settings)

    monkeypatch.setattr(rebuild, "refuse_if_retired", then_an_hour_leaves)
    before = _held(open_catalog(settings))
    with pytest.raises(rebuild.BronzeRetiredError):
        _empty_silver(settings)
    assert _held(open_catalog(settings)) == before
    assert verify(settings).ok


def test_an_hour_is_not_retired_while_silver_is_being_emptied(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retirement_lock, "PATIENCE_SECONDS", 0.0)
    with bronze_and_silver_held(settings), pytest.raises(RetirementLockedError):
        _retire(settings)


def test_silver_that_is_emptied_first_keeps_the_hour_in_bronze(settings: Settings) -> None:
    before = _held(open_catalog(settings))
    _empty_silver(settings)
    (hour,) = _retire(settings)
    assert hour.rows_retired == 0
    assert hour.unexplained > 0
    assert _held(open_catalog(settings)) == before
    assert not _is_locked(settings)
