"""Waits for the moment at which a metadata commit is in nobody's way.

A streaming table is committed to about once a second, and each commit starts by reading where the table stands: another
commit in between makes it start again. Right behind one of its commits, the writer is busy with the next batch.
"""

import threading
import time
from collections.abc import Callable

from pyiceberg.table import Table

QUIET_AFTER_SECONDS = 3.0
"""A table that nobody committed to for this long has no writer that could be met."""
_LOOK_EVERY_SECONDS = 0.05


def load_behind_the_writer(load: Callable[[], Table], quiet_after_seconds: float = QUIET_AFTER_SECONDS) -> Table:
    """The table as it is right behind somebody's commit, or after `quiet_after_seconds` in which none came."""
    first = load()
    pause = threading.Event()
    until = time.monotonic() + quiet_after_seconds
    while time.monotonic() < until:
        pause.wait(_LOOK_EVERY_SECONDS)
        table = load()
        if table.metadata_location != first.metadata_location:
            return table
    return first
