"""A day of the archive in the topic: every trade that the lake lacks, once, in order, and nothing of a damaged file."""

import threading
import time
from pathlib import Path

import pytest
from pyiceberg.catalog import Catalog

from firehose_dagster.archive.archive_files import ChecksumError
from firehose_dagster.archive.backfill import PublishIncompleteError, backfill_day
from firehose_dagster.archive.day_outcome import DayOutcome
from firehose_dagster.archive.local_archive import LocalArchive
from firehose_dagster.binance.archive import ArchiveDay, ArchiveFileError
from firehose_dagster.contracts.ops_tables import OPS_EXCHANGE_HOLES
from firehose_dagster.gateway import producer_config
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.lake.exchange_holes import read_holes
from firehose_dagster.settings import Settings
from firehose_dagster_tests.archive.conftest import (
    DAY,
    START_US,
    fill_silver,
    line,
    sentinel,
    silver_row,
    write_day,
    write_zip,
    zipped,
)
from firehose_dagster_tests.gateway.conftest import Broker


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "archive"


def _holes(catalog: Catalog) -> list[tuple[str, int, int, int]]:
    table = catalog.load_table(OPS_EXCHANGE_HOLES.identifier)
    return sorted((hole.symbol, hole.first_agg_id, hole.last_agg_id, hole.next_agg_id) for hole in read_holes(table))


def _ids(broker: Broker) -> list[int]:
    return [record.message["agg_id"] for record in broker.records()]


def test_a_day_is_published_in_the_contract_of_the_topic(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, folder: Path
) -> None:
    write_day(folder, [line(8, maker=False), line(7)])
    before = time.time_ns() // 1_000
    outcome = backfill_day(catalog, LocalArchive(folder), DAY, publisher)
    records = broker.records()
    assert [record.key for record in records] == [b"ETHUSDT", b"ETHUSDT"]
    message = records[0].message
    assert before <= message.pop("received_at") <= time.time_ns() // 1_000
    assert message == {
        "symbol": "ETHUSDT",
        "agg_id": 7,
        "price": "1850.10000000",
        "qty": "0.50000000",
        "first_trade_id": 14,
        "last_trade_id": 15,
        "trade_time": START_US + 7_000,
        "event_time": None,
        "is_buyer_maker": True,
        "source": "archive",
    }
    assert (records[1].message["agg_id"], records[1].message["is_buyer_maker"]) == (8, False)
    assert (outcome.ids, outcome.first_agg_id, outcome.last_agg_id, outcome.published) == (2, 7, 8, 2)
    assert outcome.is_verified
    assert outcome.is_whole


def test_milliseconds_become_microseconds(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, folder: Path
) -> None:
    write_day(folder, ["agg_trade_id,price,quantity,f,l,time,maker,best", line(7, time=START_US // 1_000 + 7)])
    assert backfill_day(catalog, LocalArchive(folder), DAY, publisher).published == 1
    assert broker.records()[0].message["trade_time"] == START_US + 7_000


def test_only_what_silver_lacks_is_published_and_with_again_all(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, folder: Path
) -> None:
    write_day(folder, [line(agg_id) for agg_id in range(10, 20)])
    fill_silver(catalog, [silver_row(agg_id) for agg_id in (10, 11, 12, 15)])
    fill_silver(catalog, [silver_row(19, symbol="OTHER")])
    outcome = backfill_day(catalog, LocalArchive(folder), DAY, publisher)
    assert (outcome.ids, outcome.held_ids, outcome.published) == (10, 4, 6)
    assert _ids(broker) == [13, 14, 16, 17, 18, 19]
    assert backfill_day(catalog, LocalArchive(folder), DAY, publisher, again=True).published == 10
    assert _ids(broker) == [13, 14, 16, 17, 18, 19, *range(10, 20)]


def test_every_csv_counts_equal_lines_once_and_differing_ones_are_all_told(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, folder: Path
) -> None:
    write_zip(
        folder,
        zipped(
            {
                f"{DAY.stem}.csv": [line(1), line(2), line(3)],
                # Id 1 is the same trade, id 2 the same but for its spelling, id 3 another trade, id 4 new.
                "part2.csv": [line(1), line(2, "1850.1"), line(3, "1.00000000"), line(4)],
            }
        ),
    )
    outcome = backfill_day(catalog, LocalArchive(folder), DAY, publisher)
    assert (outcome.rows, outcome.ids, outcome.repeated_rows, outcome.differing_ids) == (7, 4, 1, (3,))
    assert [(record.message["agg_id"], record.message["price"]) for record in broker.records()] == [
        (1, "1850.10000000"),
        (2, "1850.10000000"),
        (2, "1850.1"),
        (3, "1850.10000000"),
        (3, "1.00000000"),
        (4, "1850.10000000"),
    ]


def test_sentinels_are_not_published_but_recorded_as_holes_once(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, folder: Path
) -> None:
    # Id 5 has a trade beside its sentinel; id 9 came live before the exchange took it back.
    lines = [line(1), sentinel(2), sentinel(3), line(4), sentinel(5), line(5), sentinel(7), line(8), sentinel(9)]
    write_day(folder, lines)
    fill_silver(catalog, [silver_row(9)])
    outcome = backfill_day(catalog, LocalArchive(folder), DAY, publisher)
    # Between 1 and 8 only id 6 is in no line at all.
    assert (outcome.rows, outcome.ids, outcome.sentinels, outcome.absent_ids) == (9, 4, 4, 1)
    assert _ids(broker) == [1, 4, 5, 8]
    assert _holes(catalog) == [("ETHUSDT", 2, 3, 4), ("ETHUSDT", 7, 7, 8)]
    backfill_day(catalog, LocalArchive(folder), DAY, publisher)
    assert _holes(catalog) == [("ETHUSDT", 2, 3, 4), ("ETHUSDT", 7, 7, 8)]


def test_a_trade_of_another_day_is_published_and_counted(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, folder: Path
) -> None:
    write_day(folder, [line(1), line(2, time=START_US - 1)])
    outcome = backfill_day(catalog, LocalArchive(folder), DAY, publisher)
    assert (outcome.other_day_rows, outcome.published, len(broker.records())) == (1, 2, 2)


@pytest.mark.parametrize("damage", ["checksum", "line", "other symbol", "huge number", "empty"])
def test_nothing_is_published_of_a_file_that_is_not_right_to_its_end(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, folder: Path, damage: str
) -> None:
    good = [line(agg_id) for agg_id in range(1, 100)]
    match damage:
        case "checksum":
            path = write_day(folder, good)
            path.write_bytes(zipped({f"{DAY.stem}.csv": good[:50]}))
            expected: tuple[type[Exception], str] = (ChecksumError, r"its SHA-256 is .*, \.CHECKSUM says")
        case "line":
            write_day(folder, [*good, "100,1850.1"])
            expected = (ArchiveFileError, "line 100: 2 columns")
        case "other symbol":
            write_zip(folder, zipped({"BTCUSDT-aggTrades-2026-01-05.csv": good}))
            expected = (ArchiveFileError, "holds trades of BTCUSDT on 2026-01-05, not of ETHUSDT")
        case "huge number":
            write_day(folder, [*good, line(2**63)])
            expected = (ArchiveFileError, "does not fit 64 bits")
        case _:
            write_day(folder, [])
            expected = (ArchiveFileError, "holds no trade")
    with pytest.raises(expected[0], match=expected[1]):
        backfill_day(catalog, LocalArchive(folder), DAY, publisher)
    assert broker.records() == []


def test_a_stop_on_the_way_is_told_and_the_rest_is_published_by_the_next_run(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, folder: Path
) -> None:
    count = 25_000
    write_day(folder, [line(agg_id) for agg_id in range(count)])
    stop = threading.Event()
    seen: list[tuple[int, int]] = []

    def stop_after_the_first_chunk(published: int, total: int) -> None:
        seen.append((published, total))
        if published:
            stop.set()

    def run(stop: threading.Event) -> DayOutcome:
        return backfill_day(
            catalog, LocalArchive(folder), DAY, publisher, stop=stop, on_progress=stop_after_the_first_chunk
        )

    outcome = run(stop)
    assert (outcome.is_whole, outcome.published) == (False, 10_000)
    assert seen == [(0, count), (10_000, count)]
    fill_silver(catalog, [silver_row(agg_id) for agg_id in _ids(broker)])
    outcome = run(threading.Event())
    assert (outcome.is_whole, outcome.held_ids, outcome.published) == (True, 10_000, 15_000)
    assert _ids(broker) == list(range(count))


def test_a_broker_that_is_away_is_an_error_and_says_how_far_it_came(
    catalog: Catalog, settings: Settings, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(producer_config, "DELIVERY_TIMEOUT_MS", 50)
    away = ConfirmedPublisher(settings.model_copy(update={"kafka_bootstrap": "127.0.0.1:1"}), threading.Event())
    write_day(folder, [line(1), line(2)])
    with pytest.raises(PublishIncompleteError, match=r"ETHUSDT 2026-01-05: Kafka confirmed 0 of 2 rows, then: \S+"):
        backfill_day(catalog, LocalArchive(folder), DAY, away)


def test_the_recorded_day_is_published_value_for_value(
    catalog: Catalog, publisher: ConfirmedPublisher, broker: Broker, recordings: Path
) -> None:
    day = ArchiveDay("BTCUSDT", DAY.day.replace(day=1))
    outcome = backfill_day(catalog, LocalArchive(recordings / "archive"), day, publisher)
    assert (outcome.rows, outcome.ids, outcome.absent_ids, outcome.published) == (5_000, 5_000, 0, 5_000)
    assert not outcome.is_verified  # an unpacked CSV has no checksum
    rows = [row.split(",") for row in (recordings / "archive" / f"{day.stem}.csv").read_text().splitlines()]
    fields = ("agg_id", "price", "qty", "first_trade_id", "last_trade_id", "trade_time", "is_buyer_maker")
    assert [[str(record.message[field]) for field in fields] for record in broker.records()] == [
        row[:7] for row in rows
    ]
