"""Daily files in a folder: laid out as the exchange's archive, in parts of that, or all in one folder."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from firehose_dagster.archive.archive_files import (
    CHECKSUM_SUFFIX,
    ArchiveDayMissingError,
    ArchiveFile,
    ArchiveUnavailableError,
    ChecksumError,
    verified,
)
from firehose_dagster.binance.archive import ArchiveDay


class LocalArchive:
    """An `ArchiveSource`. A zip needs its `.CHECKSUM` beside it; a CSV that somebody unpacked has none."""

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise ArchiveUnavailableError(f"{folder}: there is no such folder; name one with daily archive files")
        self._folder = folder

    @contextmanager
    def file_of(self, day: ArchiveDay) -> Iterator[ArchiveFile]:
        path = self._find(day)
        try:
            file = verified(path, _checksum_beside(path), where=str(path))
        except OSError as error:
            raise ArchiveUnavailableError(f"{path}: cannot be read: {error}") from error
        yield file

    def _find(self, day: ArchiveDay) -> Path:
        # `data/spot/daily/aggTrades/BTCUSDT`, `spot/daily/aggTrades/BTCUSDT`, .., `BTCUSDT`, and the folder itself.
        parts = day.folder.split("/")
        folders = [self._folder.joinpath(*parts[start:]) for start in range(len(parts) + 1)]
        for folder in folders:
            for suffix in (".zip", ".csv"):
                path = folder / f"{day.stem}{suffix}"
                if path.is_file():
                    return path
        raise ArchiveDayMissingError(
            f"{self._folder}: holds no {day.stem}.zip, neither itself nor under {day.folder}; fetch it, or leave "
            "out --archive-dir to have it fetched"
        )


def _checksum_beside(path: Path) -> str | None:
    if path.suffix == ".csv":
        return None
    beside = path.with_name(path.name + CHECKSUM_SUFFIX)
    try:
        return beside.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ChecksumError(
            f"{path}: there is no {beside.name} beside it, so nobody knows whether it is whole; put it there, or "
            "unpack the CSV to take it as it is"
        ) from None
    except UnicodeDecodeError:
        raise ChecksumError(f"{beside}: holds no SHA-256; fetch it again") from None
