"""Archive files as the exchange has published them over the years, and as they break."""

import io
import zipfile
from datetime import date
from pathlib import Path

import pytest

from firehose_dagster.binance.archive import ArchiveDay, ArchiveFileError, ArchiveTrade, archive_parts, archive_trades

DAY = "ETHUSDT-aggTrades-2023-11-14"
MILLISECONDS = "7,1850.10000000,0.50000000,14,15,1700000000123,True,True\n"


def _read(name: str, content: bytes) -> list[ArchiveTrade]:
    return [trade for part in archive_parts(name, io.BytesIO(content)) for trade in archive_trades(part)]


def _zip(members: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members.items():
            archive.writestr(name, text)
    return packed.getvalue()


def test_a_line_is_read_field_by_field_and_its_milliseconds_become_microseconds() -> None:
    assert _read(f"{DAY}.csv", MILLISECONDS.encode()) == [
        ArchiveTrade(7, "1850.10000000", "0.50000000", 14, 15, 1_700_000_000_123_000, True, True)
    ]


def test_a_header_microseconds_and_a_missing_last_column_are_understood() -> None:
    text = (
        "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker\n"
        "8,1850.1,0.5,14,15,1735689600000001,false\n"
    )
    assert _read(f"{DAY}.csv", text.encode()) == [
        ArchiveTrade(8, "1850.1", "0.5", 14, 15, 1_735_689_600_000_001, False, True)
    ]


def test_every_csv_of_a_zip_is_read_and_named() -> None:
    packed = _zip({f"{DAY}.csv": MILLISECONDS, "extra.csv": MILLISECONDS.replace("7,", "9,", 1), "README.txt": "none"})
    assert [trade.agg_id for trade in _read(f"{DAY}.zip", packed)] == [7, 9]
    names = [(part.name, part.symbol, part.date) for part in archive_parts(f"{DAY}.zip", io.BytesIO(packed))]
    assert names == [
        (f"{DAY}.zip:{DAY}.csv", "ETHUSDT", "2023-11-14"),
        (f"{DAY}.zip:extra.csv", "ETHUSDT", "2023-11-14"),
    ]


@pytest.mark.parametrize(
    ("line", "is_sentinel"),
    [
        ("7,0,0,-1,-1,1700000000123,True,True", True),
        ("7,0.00000000,0.00000000,14,15,1700000000123,True,True", True),
        ("7,0.00000100,1.00000000,0,0,1700000000123,True,True", False),
    ],
)
def test_a_row_without_price_or_single_trades_is_a_sentinel(line: str, is_sentinel: bool) -> None:
    (trade,) = _read(f"{DAY}.csv", line.encode())
    assert trade.is_sentinel is is_sentinel


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("x,1,1,1,1,1,True,True", "invalid literal"),
        ("1,abc,1,1,1,1700000000000,True,True", "a number was expected"),
        ("1,NaN,1,1,1,1700000000000,True,True", "price and quantity must be numbers"),
        ("1,1,1,1,1,1700000000000,maybe,True", "true or false was expected"),
        ("1,2,3", "3 columns"),
    ],
)
def test_a_line_that_is_no_trade_is_told_with_file_line_and_reason(line: str, reason: str) -> None:
    with pytest.raises(ArchiveFileError, match=rf"{DAY}\.csv, line 2: .*{reason}"):
        _read(f"{DAY}.csv", f"{MILLISECONDS}{line}\n".encode())


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("trades.csv", MILLISECONDS.encode(), "the name tells no symbol"),
        (f"{DAY}.zip", b"not a zip", "damaged or cut off"),
        (f"{DAY}.zip", _zip({"README.txt": ""}), "holds no CSV"),
    ],
)
def test_a_file_that_is_no_archive_is_refused(name: str, content: bytes, reason: str) -> None:
    with pytest.raises(ArchiveFileError, match=reason):
        _read(name, content)


def test_a_zip_with_a_damaged_member_is_refused_and_not_read_as_short() -> None:
    packed = bytearray(_zip({f"{DAY}.csv": MILLISECONDS * 1_000}))
    packed[120] ^= 0xFF
    with pytest.raises(ArchiveFileError, match=r"the zip is damaged|line "):
        _read(f"{DAY}.zip", bytes(packed))


def test_a_day_knows_its_names() -> None:
    day = ArchiveDay("BTCUSDT", date(2026, 1, 1))
    assert (day.stem, day.folder) == ("BTCUSDT-aggTrades-2026-01-01", "data/spot/daily/aggTrades/BTCUSDT")


def test_the_recorded_day_is_read_whole(recordings: Path) -> None:
    path = recordings / "archive" / "BTCUSDT-aggTrades-2026-01-01.csv"
    trades = _read(path.name, path.read_bytes())
    assert len(trades) == 5_000
    assert trades[0] == ArchiveTrade(
        3_800_397_495, "87648.21000000", "0.08185000", 5_723_703_861, 5_723_703_861, 1_767_225_600_039_409, True, True
    )
    assert not any(trade.is_sentinel for trade in trades)
