"""One day's file of the archive: what a source gives, and how it is known to be whole."""

import hashlib
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.errors import ExplainedError

CHECKSUM_SUFFIX = ".CHECKSUM"
_READ_BYTES = 1 << 20


class ArchiveDayMissingError(ExplainedError):
    """The source has no file of that day."""


class ArchiveUnavailableError(ExplainedError):
    """The source gave no usable answer; asking again later may help."""


class ChecksumError(ExplainedError):
    """A file is not what its checksum says, or has none."""


@dataclass(frozen=True, slots=True)
class ArchiveFile:
    """A file on this machine."""

    path: Path
    sha256: str
    is_verified: bool
    """The checksum beside it says the same. False for an unpacked CSV, which has none."""


class ArchiveSource(Protocol):
    """Where daily files come from."""

    def file_of(self, day: ArchiveDay) -> AbstractContextManager[ArchiveFile]:
        """The day's file, there until the context is left.

        Raises ArchiveDayMissingError, ArchiveUnavailableError or ChecksumError.
        """


def verified(path: Path, checksum: str | None, *, where: str) -> ArchiveFile:
    """The file, with its SHA-256 compared with the text of a `.CHECKSUM` (`<hex>  <name>`); None: nothing to compare.

    Raises ChecksumError where they differ or the text is no checksum. `where` names the file in messages.
    """
    with path.open("rb") as content:
        digest = hashlib.sha256()
        while chunk := content.read(_READ_BYTES):
            digest.update(chunk)
    found = digest.hexdigest()
    if checksum is None:
        return ArchiveFile(path, found, is_verified=False)
    told = checksum.split()[0].lower() if checksum.split() else ""
    if len(told) != len(found):
        raise ChecksumError(f"{where}{CHECKSUM_SUFFIX}: holds no SHA-256; fetch it again")
    if told != found:
        raise ChecksumError(
            f"{where}: its SHA-256 is {found}, {CHECKSUM_SUFFIX} says {told}: the file is damaged, or it was replaced "
            "at the exchange after its checksum was fetched; fetch both again. Nothing of it was published"
        )
    return ArchiveFile(path, found, is_verified=True)
