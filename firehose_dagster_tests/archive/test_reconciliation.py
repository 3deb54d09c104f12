"""Live against archive: every way in which a day can differ is counted and shown."""

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster.archive.local_archive import LocalArchive
from firehose_dagster.archive.reconciliation import DayReconciliation, reconcile_day
from firehose_dagster.contracts.trade_tables import QUARANTINE
from firehose_dagster_tests.archive.conftest import DAY, START_US, fill_silver, line, sentinel, silver_row, write_day


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def _reconciled(catalog: Catalog, folder: Path) -> DayReconciliation:
    return reconcile_day(catalog, LocalArchive(folder), DAY)


def test_a_day_that_both_hold_alike_is_reconciled(catalog: Catalog, folder: Path) -> None:
    # Live times may be cut to the millisecond; a sentinel is no trade; other symbols and days are not asked.
    write_day(folder, [line(1, time=START_US + 1_999), line(2), sentinel(3), line(4, "1.0")])
    fill_silver(
        catalog,
        [
            silver_row(1),
            silver_row(2),
            silver_row(4, "1.00000000"),
            silver_row(5, symbol="OTHER"),
            silver_row(6, event_ts=silver_row(6)["event_ts"] + timedelta(days=1)),
        ],
    )
    found = _reconciled(catalog, folder)
    assert found.ok
    assert (found.archive_ids, found.silver_ids, found.equal_ids, found.examples) == (3, 3, 3, ())
    assert found.silver_snapshot_id is not None


def test_every_difference_is_counted_and_shown(catalog: Catalog, folder: Path) -> None:
    write_day(folder, [line(agg_id) for agg_id in (1, 2, 3, 4, 5, 6, 7)])
    rows = [
        silver_row(1, "1850.10000001"),
        silver_row(2, is_buyer_maker=False),
        silver_row(3, event_ts=silver_row(3)["event_ts"] + timedelta(milliseconds=1)),
        silver_row(4, last_trade_id=99),
        silver_row(5),
        silver_row(9),
    ]
    fill_silver(catalog, rows)
    quarantine = catalog.load_table(QUARANTINE.identifier)
    rejected = silver_row(7) | {
        "reasons": ["price_is_positive"],
        "raw": "{}",
        "rejected_at": silver_row(7)["event_ts"],
        "kafka_topic": "t",
        "kafka_timestamp": silver_row(7)["event_ts"],
    }
    schema = quarantine.schema().as_arrow()
    quarantine.append(pa.Table.from_pylist([{name: rejected[name] for name in schema.names}], schema=schema))
    found = _reconciled(catalog, folder)
    assert not found.ok
    assert (found.equal_ids, found.differing, found.missing_in_silver, found.missing_in_archive) == (1, 4, 2, 1)
    assert found.quarantined == 1
    assert found.examples[0] == (
        "agg_id 1: differing: archive 1850.10000000 x 0.50000000 at 1767571200001000, "
        "silver 1850.10000001 x 0.50000000 at 1767571200001000"
    )
    assert found.examples[4:] == (
        "agg_id 9: missing in archive",
        "agg_id 6: missing in silver",
        "agg_id 7: missing in silver",
    )


def test_an_id_that_the_archive_tells_twice_is_equal_where_silver_holds_one_of_its_versions(
    catalog: Catalog, folder: Path
) -> None:
    write_day(folder, [line(1), line(1, "7.00000000")])
    fill_silver(catalog, [silver_row(1, "7.00000000")])
    found = _reconciled(catalog, folder)
    assert found.ok
    assert (found.archive_ids, found.equal_ids) == (1, 1)


def test_a_trade_filed_under_the_day_that_silver_holds_just_before_it_is_the_same(
    catalog: Catalog, folder: Path
) -> None:
    write_day(folder, [line(1, time=START_US - 1_000)])
    fill_silver(catalog, [silver_row(1, event_ts=silver_row(0)["event_ts"] - timedelta(milliseconds=1))])
    found = _reconciled(catalog, folder)
    assert (found.ok, found.equal_ids, found.silver_ids) == (True, 1, 0)


def test_before_the_first_trade_everything_is_missing(catalog: Catalog, folder: Path) -> None:
    write_day(folder, [line(1)])
    found = _reconciled(catalog, folder)
    assert (found.missing_in_silver, found.silver_snapshot_id) == (1, None)
