"""Several days in one command: what is printed, what stops it, and what cannot be meant."""

import threading
from datetime import date, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster.archive.archive_files import ArchiveUnavailableError
from firehose_dagster.archive.backfill import backfill_day
from firehose_dagster.archive.local_archive import LocalArchive
from firehose_dagster.archive.opening import (
    BackfillOptionsError,
    BrokerAwayError,
    archive_days,
    archive_source,
    require_topic,
)
from firehose_dagster.archive.public_archive import PublicArchive
from firehose_dagster.archive.reconciliation import reconcile_day
from firehose_dagster.archive.rendering import outcome_remarks, outcomes_markdown, reconciliation_text
from firehose_dagster.archive.run import run_backfill
from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.settings import Settings
from firehose_dagster_tests.archive.conftest import DAY, fill_silver, line, sentinel, silver_row, write_day
from firehose_dagster_tests.gateway.conftest import Broker

NEXT_DAY = ArchiveDay(DAY.symbol, DAY.day + timedelta(days=1))
DAY_AFTER = ArchiveDay(DAY.symbol, DAY.day + timedelta(days=2))


def test_days_are_done_one_after_the_other_and_a_missing_one_stops_no_other(
    settings: Settings, catalog: Catalog, broker: Broker, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_day(tmp_path, [line(1), line(2), sentinel(3), line(5), line(5)])
    write_day(tmp_path, [line(6)], DAY_AFTER)
    is_whole = run_backfill(
        settings, catalog, LocalArchive(tmp_path), [DAY, NEXT_DAY, DAY_AFTER], threading.Event(), again=False
    )
    assert not is_whole
    assert sorted(record.message["agg_id"] for record in broker.records()) == [1, 2, 5, 6]
    printed = capsys.readouterr().out
    assert "ETHUSDT   2026-01-05     3       1      5             0           3        1           1" in printed
    assert "ETHUSDT 2026-01-05: 1 lines repeat others" in printed
    assert "1 ids are marked as no trade, and recorded as exchange holes" in printed
    assert "holds no ETHUSDT-aggTrades-2026-01-06.zip" in printed


def test_a_stop_between_two_days_is_told(
    settings: Settings, catalog: Catalog, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stop = threading.Event()
    stop.set()
    assert not run_backfill(settings, catalog, LocalArchive(tmp_path), [DAY], stop, again=False)
    assert capsys.readouterr().out == "stopped after 0 of 1 days; run it again to go on\n"


def test_days_of_several_symbols_come_oldest_first() -> None:
    days = archive_days(("B", "A", "B"), date(2026, 1, 1), date(2026, 1, 2))
    assert [(each.symbol, each.day.day) for each in days] == [("B", 1), ("A", 1), ("B", 2), ("A", 2)]


@pytest.mark.parametrize(
    ("symbols", "first", "last", "told"),
    [
        ((), date(2026, 1, 1), date(2026, 1, 1), "name the symbols"),
        (("ALL",), date(2026, 1, 1), date(2026, 1, 1), "name the symbols"),
        (("A",), date(2026, 1, 2), date(2026, 1, 1), "end before they begin"),
        (("A",), date(2026, 1, 1), date(2999, 1, 1), "is not over"),
    ],
)
def test_what_cannot_be_meant_is_refused(symbols: tuple[str, ...], first: date, last: date, told: str) -> None:
    with pytest.raises(BackfillOptionsError, match=told):
        archive_days(symbols, first, last)


def test_the_source_is_the_folder_or_the_public_archive(settings: Settings, tmp_path: Path) -> None:
    assert isinstance(archive_source(settings, tmp_path), LocalArchive)
    assert isinstance(archive_source(settings, None), PublicArchive)
    with pytest.raises(ArchiveUnavailableError):
        archive_source(settings, tmp_path / "none")


def test_a_broker_that_does_not_answer_is_told_after_a_while(settings: Settings) -> None:
    require_topic(settings)
    with pytest.raises(BrokerAwayError, match=r"Kafka does not answer at 127\.0\.0\.1:1; start the installation"):
        require_topic(settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"}), patience_seconds=0.1)


def test_a_reconciliation_is_told_as_a_table_with_its_first_differences(catalog: Catalog, tmp_path: Path) -> None:
    write_day(tmp_path, [line(1), line(2)])
    fill_silver(catalog, [silver_row(1)])
    told = reconciliation_text([reconcile_day(catalog, LocalArchive(tmp_path), DAY)])
    assert told.splitlines()[-2:] == ["ETHUSDT 2026-01-05: agg_id 2: missing in silver", "NOT EQUAL"]


def test_an_outcome_without_anything_strange_has_no_remark(
    catalog: Catalog, publisher: ConfirmedPublisher, tmp_path: Path
) -> None:
    write_day(tmp_path, [line(1), line(2)])
    outcome = backfill_day(catalog, LocalArchive(tmp_path), DAY, publisher)
    assert outcome_remarks(outcome) == []
    assert "| ETHUSDT | 2026-01-05 | 2 | 1 | 2 | 0 | 2 | 0 | 0 |" in outcomes_markdown([outcome])
