"""DuckDB as everything beside the stream uses it: in bounded memory, times in UTC."""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb


@contextmanager
def bounded_duckdb(
    purpose: str, *, memory_limit: str = "1GB", threads: int | None = None, spill_under: Path | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory; beyond `memory_limit` it spills to a folder of its own.

    `purpose` names that folder, which goes when the context is left; one that a killed process left goes with the next
    that spills there. `spill_under`: the folder's place, None: where the machine has its temporary files, which may be
    memory. `threads`, None: as many as the machine has cores.
    """
    own_threads = {} if threads is None else {"threads": str(threads)}
    with (
        _spill_folder(purpose, spill_under) as spill_dir,
        duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": spill_dir, **own_threads}) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        yield connection


@contextmanager
def _spill_folder(purpose: str, under: Path | None) -> Iterator[str]:
    prefix = f"firehose-{purpose}-"
    if under is None:
        with TemporaryDirectory(prefix=prefix) as folder:
            yield folder
        return
    under.mkdir(parents=True, exist_ok=True)
    place = os.open(under, os.O_RDONLY)
    try:
        # One at a time, so that no folder is taken for left over between its making and its lock.
        fcntl.flock(place, fcntl.LOCK_EX)
        _remove_left_over(under)
        made = TemporaryDirectory(prefix=prefix, dir=under)
        lock = os.open(made.name, os.O_RDONLY)
        fcntl.flock(lock, fcntl.LOCK_EX)
    finally:
        os.close(place)
    try:
        with made as folder:
            yield folder
    finally:
        os.close(lock)


def _remove_left_over(under: Path) -> None:
    """What no living process holds: the operating system frees a lock at its holder's death."""
    for folder in under.glob("firehose-*"):
        try:
            descriptor = os.open(folder, os.O_RDONLY)
        except (FileNotFoundError, PermissionError):
            continue  # it went meanwhile, or is another user's
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(descriptor)
