"""Pins and files: what an answer is computed from while the lake is written, expired, or lies elsewhere."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from pyiceberg.io import FileIO
from pyiceberg.io.pyarrow import PyArrowFileIO

from firehose_dagster.api import minute_rows, pinned_tables
from firehose_dagster.api.application import create_application
from firehose_dagster.api.conditions import Condition
from firehose_dagster.api.file_index import SnapshotFiles
from firehose_dagster.api.gold_minutes import GoldMinutes
from firehose_dagster.api.lake_reader import LakeReader
from firehose_dagster.api.local_files import LocalFiles
from firehose_dagster.api.minute_rows import MinuteRows
from firehose_dagster.api.paging import Window
from firehose_dagster.api.pinned_tables import Pin, PinnedTables
from firehose_dagster.contracts.trade_tables import GOLD, SPIKES
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.settings import Settings
from firehose_dagster_tests.api.conftest import NEWEST, data
from firehose_dagster_tests.api.market_lake import Market, write_market
from firehose_dagster_tests.verification.small_lake import gold_of, small_lake, write_gold


def test_a_day_of_one_symbol_reads_only_that_days_files(market_settings: Settings) -> None:
    pin = PinnedTables(open_catalog(market_settings)).pin(GOLD)
    # 26 hours and a minute over hour partitions are 27 files; a row of 10:30 can be in one of them.
    assert len(pin.files) == 27
    moment = datetime(2026, 1, 5, 10, 30, tzinfo=UTC)
    held = [file for file in pin.files if Condition("minute", "=", moment).may_hold(file)]
    assert [file.bounds["minute"] for file in held] == [(moment.replace(minute=0), moment.replace(minute=59))]
    assert pin.newest("minute") == NEWEST


def test_a_pin_is_kept_for_a_second_and_then_looked_up_again(own_settings: Settings) -> None:
    now = 0.0
    tables = PinnedTables(open_catalog(own_settings), clock=lambda: now)
    before = tables.pin(GOLD)
    write_gold(own_settings, gold_of(small_lake().silver)[:2], 1)
    now = pinned_tables.FRESH_SECONDS * 0.99
    assert tables.pin(GOLD) is before
    now = pinned_tables.FRESH_SECONDS
    after = tables.pin(GOLD)
    assert after.snapshot_id != before.snapshot_id
    now = 10 * pinned_tables.FRESH_SECONDS
    assert tables.pin(GOLD) is after


def test_what_was_overwritten_is_read_from_the_new_snapshot(own_settings: Settings) -> None:
    with TestClient(create_application(own_settings)) as client:
        before = client.get("/v1/gold/latest").json()
        revised = [row | {"close": row["close"] * 2, "revision": 1} for row in gold_of(small_lake().silver)]
        write_gold(own_settings, revised, 1)
        client.app.state.lake.forget((GOLD,))  # type: ignore[attr-defined] # a FastAPI application
        after = client.get("/v1/gold/latest").json()
    assert after["snapshot_ids"] != before["snapshot_ids"]
    assert [row["close"] for row in before["data"]] == ["102.00000000", "0.50100000"]
    assert [(row["close"], row["revision"]) for row in after["data"]] == [("204.00000000", 1), ("1.00200000", 1)]


def test_a_snapshot_that_was_expired_under_the_reader_is_looked_up_again(own_settings: Settings) -> None:
    with TestClient(create_application(own_settings)) as client:
        data(client, "/v1/minutes", symbol="ALPHA")
        _drop_files_of_gold(own_settings)
        write_gold(own_settings, gold_of(small_lake().silver), 1)
        # Its pin still names the files that are gone.
        assert len(data(client, "/v1/minutes", symbol="ALPHA")) == 40


def test_files_that_stay_away_are_a_problem_that_says_so(own_settings: Settings) -> None:
    with TestClient(create_application(own_settings)) as client:
        _drop_files_of_gold(own_settings)
        answer = client.get("/v1/minutes", params={"symbol": "ALPHA"})
        assert (answer.status_code, answer.json()["type"]) == (503, "/problems/snapshot-expired")
        assert data(client, "/v1/spikes")


def _drop_files_of_gold(settings: Settings) -> None:
    for file in (settings.lake_dir / "warehouse").rglob(f"{GOLD.name}/data/**/*.parquet"):
        file.unlink()


def test_a_path_in_which_duckdb_would_see_a_pattern_is_read_all_the_same(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path / "odd [1] *")
    write_market(settings, Market(NEWEST, minutes=5, symbols=("BTCUSDT",)), hours=1)
    with TestClient(create_application(settings)) as client:
        assert len(data(client, "/v1/minutes", symbol="BTCUSDT")) == 5


def test_copies_of_remote_files_are_dropped_when_there_are_too_many(tmp_path: Path) -> None:
    sources = [tmp_path / f"[{number}].parquet" for number in range(3)]
    for source in sources:
        source.write_bytes(b"x" * 100)
    copies = tmp_path / "copies"
    copies.mkdir()
    files = LocalFiles(copies, max_bytes=250)
    first, second = (files.path(f"file://{source}", PyArrowFileIO()) for source in sources[:2])
    assert files.path(f"file://{sources[0]}", PyArrowFileIO()) == first
    files.path(f"file://{sources[2]}", PyArrowFileIO())
    # The second was used longest ago.
    assert (Path(first).exists(), Path(second).exists()) == (True, False)
    with pytest.raises(FileNotFoundError):
        files.path("file:///nowhere/[0].parquet", PyArrowFileIO())


def test_rows_that_another_engine_deleted_are_not_shown(market_settings: Settings, tmp_path: Path) -> None:
    """pyiceberg writes no delete files: the flag is set by hand, and the same rows must come by the other path."""
    pin = PinnedTables(open_catalog(market_settings)).pin(GOLD)
    with_deletes = Pin(pin.contract, pin.table, pin.snapshot_id, pin.index)
    with_deletes.__dict__["snapshot_files"] = SnapshotFiles(pin.files, has_row_deletes=True)
    gold = GoldMinutes(LakeReader(LocalFiles(tmp_path)))
    assert gold.of_symbol(with_deletes, "ETHUSDT", None, None).rows == gold.of_symbol(pin, "ETHUSDT", None, None).rows
    assert gold.latest(with_deletes) == gold.latest(pin)


@pytest.mark.parametrize("descending", [False, True])
def test_rows_of_files_that_are_kept_are_those_read_anew(
    market_settings: Settings, tmp_path: Path, descending: bool
) -> None:
    pin = PinnedTables(open_catalog(market_settings)).pin(GOLD)
    rows = MinuteRows(LakeReader(LocalFiles(tmp_path)))
    window = Window(NEWEST - timedelta(hours=5, minutes=17), NEWEST - timedelta(minutes=3))
    # The first two asks read the files, the second keeps them, the third finds them kept.
    asked = [rows.read(pin, "XRPUSDT", window, descending=descending, limit=10_000) for _ in range(3)]
    assert asked[0] == asked[1] == asked[2]
    # 314 minutes, 4 to 317 minutes ago, of which 10, 17, ... 311 minutes ago there was no trade: 44.
    assert len(asked[0]) == 314 - 44
    assert asked[0] == sorted(asked[0], reverse=descending)
    assert rows.read(pin, "XRPUSDT", window, descending=descending, limit=7) == asked[0][:7]


@pytest.mark.parametrize("descending", [False, True])
def test_a_page_reads_no_more_files_than_it_needs(
    market_settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, descending: bool
) -> None:
    monkeypatch.setattr(minute_rows, "_FILES_AT_ONCE", 2)
    pin = PinnedTables(open_catalog(market_settings)).pin(GOLD)
    read: list[str] = []

    class ToldFiles(LocalFiles):
        def path(self, location: str, file_io: FileIO) -> str:
            read.append(location)
            return super().path(location, file_io)

    rows = MinuteRows(LakeReader(ToldFiles(tmp_path)))
    whole = rows.read(pin, "BTCUSDT", Window(None, None), descending=descending, limit=10_000)
    assert (len(whole), len(read)) == (26 * 60, 27)
    read.clear()
    some = MinuteRows(LakeReader(ToldFiles(tmp_path))).read(
        pin, "BTCUSDT", Window(None, None), descending=descending, limit=100
    )
    assert some == whole[:100]
    # 100 minutes reach into the third hour at most; files are read two at a time.
    assert len(read) == 4


def test_a_table_that_is_not_made_yet_holds_nothing(tmp_path: Path) -> None:
    pin = PinnedTables(open_catalog(Settings(home=tmp_path))).pin(SPIKES)
    assert (pin.snapshot_id, pin.files, pin.newest("minute")) == (None, (), None)
