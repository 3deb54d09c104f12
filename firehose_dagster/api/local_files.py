"""Data files as DuckDB can open them: a path on the local disk, copied there once where they lie on an object store."""

import hashlib
import shutil
import threading
from collections import OrderedDict
from pathlib import Path
from urllib.parse import urlparse

from pyiceberg.io import FileIO

_GLOB_CHARACTERS = frozenset("*?[")
DEFAULT_MAX_BYTES = 2_000_000_000


class LocalFiles:
    """Copies are kept in `folder` up to `max_bytes`; the longest unused goes first. Safe to use from several threads.

    Iceberg's files never change under their name, so a copy can be wrong only by being no longer needed.
    """

    def __init__(self, folder: Path, max_bytes: int = DEFAULT_MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._sizes: OrderedDict[Path, int] = OrderedDict()
        self._lock = threading.Lock()

    def path(self, location: str, file_io: FileIO) -> str:
        """Where the file can be read. Raises OSError where it does not exist (any more)."""
        parsed = urlparse(location)
        is_local = parsed.scheme in ("", "file")
        if is_local and not _GLOB_CHARACTERS & set(location):
            return location if not parsed.scheme else parsed.netloc + parsed.path
        copy = self._folder / f"{hashlib.sha256(location.encode()).hexdigest()}.parquet"
        with self._lock:
            if copy in self._sizes:
                self._sizes.move_to_end(copy)
                return str(copy)
            part = copy.with_suffix(".part")
            with file_io.new_input(location).open() as source, part.open("wb") as target:
                shutil.copyfileobj(source, target)
            part.replace(copy)
            self._sizes[copy] = copy.stat().st_size
            self._drop_unused(kept=copy)
        return str(copy)

    def _drop_unused(self, kept: Path) -> None:
        while sum(self._sizes.values()) > self._max_bytes and next(iter(self._sizes)) != kept:
            path, _ = self._sizes.popitem(last=False)
            path.unlink(missing_ok=True)
