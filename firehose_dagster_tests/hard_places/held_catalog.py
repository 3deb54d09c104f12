"""Another process with a transaction on the embedded catalog, as a forgotten SQLite shell would have."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from firehose_dagster.lake.catalog import sqlite_path
from firehose_dagster.settings import Settings

_HOLD = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=60, isolation_level=None)
connection.execute(f"begin {sys.argv[2]}")
print("held", flush=True)
sys.stdin.read()
connection.execute("rollback")
"""


@contextmanager
def held_catalog(settings: Settings, kind: str = "exclusive") -> Iterator[None]:
    """Within, nobody else writes to the catalog; with `exclusive`, nobody reads it either."""
    command = [sys.executable, "-c", _HOLD, sqlite_path(settings), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        try:
            yield
        finally:
            holder.communicate()
