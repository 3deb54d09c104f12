import csv
import zipfile
from pathlib import Path

import pytest

from firehose_dagster.simulator.archive import read_archives
from firehose_dagster.simulator.source import SourceFileError
from firehose_dagster_tests.simulator.markets import BASE_MS, archive_line, trade_of

HEADER = "agg_trade_id,price,quantity,first_trade_id,last_trade_id,transact_time,is_buyer_maker,best_price_match"


def test_the_recorded_day_holds_its_5000_trades_unchanged(recordings: Path) -> None:
    path = recordings / "archive" / "BTCUSDT-aggTrades-2026-01-01.csv"
    events, symbols = read_archives([path])
    assert symbols == ["BTCUSDT"]
    with path.open() as lines:
        rows = list(csv.reader(lines))
    trades = [trade_of(event) for event in events["btcusdt@aggTrade"]]
    assert len(trades) == 5_000
    assert [
        [
            str(trade.agg_id),
            trade.price,
            trade.qty,
            str(trade.first_trade_id),
            str(trade.last_trade_id),
            str(trade.time_us),
            str(trade.is_buyer_maker),
            str(trade.is_best_match),
        ]
        for trade in trades
    ] == rows


@pytest.mark.parametrize("header", [HEADER + "\n", ""])
@pytest.mark.parametrize("factor", [1, 1_000])
def test_header_or_none_milliseconds_or_microseconds_read_the_same(tmp_path: Path, header: str, factor: int) -> None:
    path = tmp_path / "ETHUSDT-aggTrades-2023-11.csv"
    path.write_text(header + archive_line(5, BASE_MS * factor) + "\n")
    events, _ = read_archives([path])
    (event,) = events["ethusdt@aggTrade"]
    assert (trade_of(event).agg_id, trade_of(event).time_us) == (5, BASE_MS * 1_000)


def test_every_csv_of_a_zip_is_read(tmp_path: Path) -> None:
    path = tmp_path / "ETHUSDT-aggTrades-2023-11-14.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("ETHUSDT-aggTrades-2023-11-14.csv", archive_line(1, BASE_MS))
        archive.writestr("more.csv", archive_line(2, BASE_MS + 1))
        archive.writestr("README.txt", "no trades")
    events, symbols = read_archives([path])
    assert symbols == ["ETHUSDT"]
    assert [trade_of(event).agg_id for event in events["ethusdt@aggTrade"]] == [1, 2]


@pytest.mark.parametrize(
    "bad",
    ["x,1,1,1,1,1,True,True", "1,abc,1,1,1,1700000000000,True,True", "1,1,1,1,1,1700000000000,maybe,True", "1,2,3"],
)
def test_a_bad_line_is_told_with_file_and_number(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "ETHUSDT-aggTrades-2023-11-14.csv"
    path.write_text(archive_line(1, BASE_MS) + "\n" + bad + "\n")
    with pytest.raises(SourceFileError, match=r"ETHUSDT-aggTrades-2023-11-14\.csv, line 2: "):
        read_archives([path])


def test_a_name_without_symbol_an_empty_file_and_a_missing_one_are_told(tmp_path: Path) -> None:
    nameless = tmp_path / "trades.csv"
    nameless.write_text(archive_line(1, BASE_MS))
    with pytest.raises(SourceFileError, match=r"trades\.csv: the name tells no symbol"):
        read_archives([nameless])
    empty = tmp_path / "ETHUSDT-aggTrades-2023-11-14.csv"
    empty.write_text(HEADER + "\n")
    with pytest.raises(SourceFileError, match="holds no trade"):
        read_archives([empty])
    with pytest.raises(SourceFileError, match="cannot be read"):
        read_archives([tmp_path / "BTCUSDT-aggTrades-2023-11-14.csv"])
