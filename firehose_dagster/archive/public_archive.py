"""Daily files from the exchange's public archive, fetched one at a time and kept no longer than they are read."""

import fcntl
import logging
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from tenacity import before_sleep_log, retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from firehose_dagster.archive.archive_files import (
    CHECKSUM_SUFFIX,
    ArchiveDayMissingError,
    ArchiveFile,
    ArchiveUnavailableError,
    verified,
)
from firehose_dagster.binance.archive import ArchiveDay

logger = logging.getLogger(__name__)

TIMEOUT = httpx.Timeout(60.0, connect=10.0)
ATTEMPTS = 5
_OURS = re.compile(r"-\d{4}-\d{2}-\d{2}-[a-z0-9_]{8}$")
"""How a folder of ours is named: the day's file and what makes it unique. Other things there may be people's."""
_again_later = retry(
    retry=retry_if_exception_type(ArchiveUnavailableError),
    stop=stop_after_attempt(ATTEMPTS),
    wait=wait_random_exponential(multiplier=0.5, max=30),
    before_sleep=before_sleep_log(logger, logging.WARNING),
    reraise=True,
)


class PublicArchive:
    """An `ArchiveSource`. Every file has its checksum there; one without is not taken."""

    def __init__(self, base_url: str, folder: Path, *, transport: httpx.BaseTransport | None = None) -> None:
        """`folder` is where a file lies while it is read."""
        self._base_url = base_url.rstrip("/")
        self._folder = folder
        self._transport = transport

    @contextmanager
    def file_of(self, day: ArchiveDay) -> Iterator[ArchiveFile]:
        url = f"{self._base_url}/{day.folder}/{day.stem}.zip"
        self._folder.mkdir(parents=True, exist_ok=True)
        with (
            _without_leftovers(self._folder),
            tempfile.TemporaryDirectory(dir=self._folder, prefix=f"{day.stem}-") as folder,
            httpx.Client(timeout=TIMEOUT, transport=self._transport, follow_redirects=True) as client,
        ):
            path = Path(folder) / f"{day.stem}.zip"
            checksum = _text(client, url + CHECKSUM_SUFFIX, day)
            _download(client, url, day, path)
            yield verified(path, checksum, where=url)


@contextmanager
def _without_leftovers(folder: Path) -> Iterator[None]:
    """Remove what a killed process left in the folder, unless another process is at work in it now.

    Whoever works in the folder holds a shared lock on it, which ends with its process.
    """
    held = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            logger.debug("another process reads files in %s", folder)
        else:
            for left in folder.iterdir():
                if _OURS.search(left.name):
                    logger.info("event=leftover_removed path=%s", left)
                    shutil.rmtree(left)
        fcntl.flock(held, fcntl.LOCK_SH)
        yield
    finally:
        os.close(held)


@_again_later
def _text(client: httpx.Client, url: str, day: ArchiveDay) -> str:
    try:
        answer = client.get(url)
    except httpx.HTTPError as error:
        raise _unavailable(url, error) from error
    _require_success(answer, url, day)
    return answer.text


@_again_later
def _download(client: httpx.Client, url: str, day: ArchiveDay, path: Path) -> None:
    try:
        with client.stream("GET", url) as answer, path.open("wb") as target:
            _require_success(answer, url, day)
            for chunk in answer.iter_bytes():
                target.write(chunk)
    except httpx.HTTPError as error:
        raise _unavailable(url, error) from error


def _unavailable(url: str, error: httpx.HTTPError) -> ArchiveUnavailableError:
    return ArchiveUnavailableError(
        f"{url}: cannot be fetched: {error or type(error).__name__}; check the network and FIREHOSE_ARCHIVE_URL, or "
        "name a folder with --archive-dir"
    )


def _require_success(answer: httpx.Response, url: str, day: ArchiveDay) -> None:
    if answer.is_success:
        return
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise ArchiveDayMissingError(
            f"{url}: is not there. The archive has a day's file from the next day on, and none for a symbol that did "
            f"not trade on {day.day.isoformat()}"
        )
    raise ArchiveUnavailableError(f"{url}: answered {answer.status_code}; try again later, or use --archive-dir")
