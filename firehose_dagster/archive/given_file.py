"""A file that was found or fetched once, for several uses."""

from contextlib import AbstractContextManager, nullcontext

from firehose_dagster.archive.archive_files import ArchiveFile
from firehose_dagster.binance.archive import ArchiveDay


class GivenFile:
    """An `ArchiveSource` of one day."""

    def __init__(self, file: ArchiveFile) -> None:
        self._file = file

    def file_of(self, day: ArchiveDay) -> AbstractContextManager[ArchiveFile]:
        """The file, whatever the day."""
        return nullcontext(self._file)
