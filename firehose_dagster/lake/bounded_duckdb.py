"""DuckDB as everything beside the stream uses it: in bounded memory, times in UTC."""

from collections.abc import Iterator
from contextlib import contextmanager
from tempfile import TemporaryDirectory

import duckdb


@contextmanager
def bounded_duckdb(
    purpose: str, *, memory_limit: str = "1GB", threads: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """An empty database in memory; beyond `memory_limit` it spills to a temporary folder.

    `purpose` names that folder, which goes when the context is left. `threads`, None: as many as the machine has cores.
    """
    own_threads = {} if threads is None else {"threads": str(threads)}
    with (
        TemporaryDirectory(prefix=f"firehose-{purpose}-") as spill_dir,
        duckdb.connect(config={"memory_limit": memory_limit, "temp_directory": spill_dir, **own_threads}) as connection,
    ):
        connection.execute("SET TimeZone = 'UTC'")
        yield connection
