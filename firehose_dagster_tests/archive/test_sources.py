"""Where daily files come from: folders as people keep them, and the exchange's archive over HTTP."""

from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tenacity import wait_none

from firehose_dagster.archive import public_archive
from firehose_dagster.archive.archive_files import (
    ArchiveDayMissingError,
    ArchiveUnavailableError,
    ChecksumError,
)
from firehose_dagster.archive.local_archive import LocalArchive
from firehose_dagster.archive.public_archive import PublicArchive
from firehose_dagster_tests.archive.conftest import DAY, checksum, line, write_day, zipped

URL = "https://archive.example"
PATH = "/data/spot/daily/aggTrades/ETHUSDT/ETHUSDT-aggTrades-2026-01-05.zip"
CONTENT = zipped({f"{DAY.stem}.csv": [line(1)]})


@pytest.mark.parametrize(
    "layout", ["", "ETHUSDT", "aggTrades/ETHUSDT", "spot/daily/aggTrades/ETHUSDT", "data/spot/daily/aggTrades/ETHUSDT"]
)
def test_a_folder_may_be_laid_out_as_the_archive_or_any_part_of_it(tmp_path: Path, layout: str) -> None:
    path = write_day(tmp_path / layout, [line(1)])
    with LocalArchive(tmp_path).file_of(DAY) as file:
        assert file.path == path
        assert file.is_verified


def test_an_unpacked_csv_is_taken_without_a_checksum_and_says_so(tmp_path: Path) -> None:
    (tmp_path / f"{DAY.stem}.csv").write_text(line(1))
    with LocalArchive(tmp_path).file_of(DAY) as file:
        assert not file.is_verified


def test_a_zip_without_its_checksum_or_with_none_in_it_is_refused(tmp_path: Path) -> None:
    beside = write_day(tmp_path, [line(1)]).with_suffix(".zip.CHECKSUM")
    beside.write_text("soon")
    with pytest.raises(ChecksumError, match="holds no SHA-256"), LocalArchive(tmp_path).file_of(DAY):
        pass
    beside.unlink()
    with pytest.raises(ChecksumError, match=r"there is no .*CHECKSUM beside it"), LocalArchive(tmp_path).file_of(DAY):
        pass


def test_a_missing_day_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArchiveDayMissingError, match=r"holds no ETHUSDT-aggTrades-2026-01-05\.zip"):
        LocalArchive(tmp_path).file_of(DAY).__enter__()
    with pytest.raises(ArchiveUnavailableError, match="there is no such folder"):
        LocalArchive(tmp_path / "none")


@pytest.fixture
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for call in (public_archive._text, public_archive._download):
        monkeypatch.setattr(call.retry, "wait", wait_none())


def _archive(tmp_path: Path, answer: Callable[[httpx.Request], httpx.Response]) -> PublicArchive:
    return PublicArchive(URL, tmp_path / "fetched", transport=httpx.MockTransport(answer))


@pytest.mark.usefixtures("_no_waiting")
def test_a_day_is_fetched_with_its_checksum_tried_again_and_not_kept(tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        match asked.count(request.url.path), request.url.path:
            case 1, _:
                return httpx.Response(503)
            case 2, _:
                raise httpx.ReadTimeout("slow")
            case _, path if path.endswith(".CHECKSUM"):
                return httpx.Response(200, text=checksum(CONTENT, "x"))
        return httpx.Response(200, content=CONTENT)

    with _archive(tmp_path, answer).file_of(DAY) as file:
        assert file.path.read_bytes() == CONTENT
        assert file.is_verified
    assert asked == [f"{PATH}.CHECKSUM"] * 3 + [PATH] * 3
    assert list((tmp_path / "fetched").iterdir()) == []


def _served(request: httpx.Request) -> httpx.Response:
    if request.url.path.endswith(".CHECKSUM"):
        return httpx.Response(200, text=checksum(CONTENT, "x"))
    return httpx.Response(200, content=CONTENT)


def test_what_a_killed_backfill_left_is_removed_at_the_next_start(tmp_path: Path) -> None:
    left = tmp_path / "fetched" / "ETHUSDT-aggTrades-2026-01-04-ab_c0123"
    left.mkdir(parents=True)
    theirs = write_day(tmp_path / "fetched" / "ETHUSDT", [line(1)])
    (left / "ETHUSDT-aggTrades-2026-01-04.zip").write_bytes(b"half a day")
    with _archive(tmp_path, _served).file_of(DAY) as file:
        assert file.path.read_bytes() == CONTENT
        assert not left.exists()
    assert theirs.exists()


def test_a_file_that_another_backfill_reads_is_no_leftover(tmp_path: Path) -> None:
    with (
        _archive(tmp_path, _served).file_of(DAY) as first,
        _archive(tmp_path, _served).file_of(DAY) as second,
    ):
        assert first.path.read_bytes() == second.path.read_bytes() == CONTENT


@pytest.mark.usefixtures("_no_waiting")
@pytest.mark.parametrize(
    ("status", "error", "told"),
    [(404, ArchiveDayMissingError, "is not there"), (451, ArchiveUnavailableError, "answered 451")],
)
def test_an_answer_without_the_file_is_told(tmp_path: Path, status: int, error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        _archive(tmp_path, lambda _: httpx.Response(status)).file_of(DAY).__enter__()


@pytest.mark.usefixtures("_no_waiting")
def test_a_file_that_was_cut_off_does_not_pass_its_checksum(tmp_path: Path) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith(".CHECKSUM"):
            return httpx.Response(200, text=checksum(CONTENT, "x"))
        return httpx.Response(200, content=CONTENT[:-10])

    with pytest.raises(ChecksumError, match=r"https://archive\.example/data.* its SHA-256 is"):
        _archive(tmp_path, answer).file_of(DAY).__enter__()
