"""Deletes files of a table and counts what that freed. A file that is gone already is none of its errors."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pyiceberg.io import FileIO

_THREADS = 4
"""On an object store each deletion is a request of its own."""


@dataclass(frozen=True, slots=True)
class Removed:
    """What was deleted. Files that were gone already are not counted."""

    files: int = 0
    bytes: int = 0

    def plus(self, other: "Removed") -> "Removed":
        """Both together."""
        return Removed(self.files + other.files, self.bytes + other.bytes)


def remove_files(
    io: FileIO, files: Mapping[str, int | None], on_removed: Callable[[str], None] = lambda _: None
) -> Removed:
    """Delete the files, in order of the mapping where that matters to nobody but a reader of a killed run.

    Sizes that are not told are asked for. `on_removed` hears of each, from any thread. Raises what the file store
    raises; what was deleted until then stays deleted.
    """

    def remove(location: str, size: int | None) -> int | None:
        freed = _remove(io, location, size)
        on_removed(location)
        return freed

    with ThreadPoolExecutor(_THREADS) as pool:
        sizes = list(pool.map(lambda item: remove(*item), files.items()))
    return _sum(sizes)


def _remove(io: FileIO, location: str, size: int | None) -> int | None:
    try:
        freed = len(io.new_input(location)) if size is None else size
        io.delete(location)
    except FileNotFoundError:
        return None
    return freed


def _sum(sizes: Iterable[int | None]) -> Removed:
    freed = [size for size in sizes if size is not None]
    return Removed(len(freed), sum(freed))
