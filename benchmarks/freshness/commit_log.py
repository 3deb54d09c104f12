"""Notes when each snapshot of a table becomes visible to a reader, by asking the catalog as a reader would."""

import json
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

_ASK_EVERY_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Visible:
    """A snapshot, and when the catalog first named metadata in which it is current; epoch microseconds."""

    snapshot_id: int
    at_us: int


class CommitLog:
    """Watches the embedded catalog from a thread until `stop`."""

    def __init__(self, catalog_db: Path, tables: tuple[str, ...]) -> None:
        self._catalog_db = catalog_db
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commit-log")
        self.visible: dict[str, list[Visible]] = {table: [] for table in tables}

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        seen: dict[str, str] = {}
        connection = sqlite3.connect(f"file:{self._catalog_db}?mode=ro", uri=True)
        while not self._stop.wait(_ASK_EVERY_SECONDS):
            rows = connection.execute("select table_name, metadata_location from iceberg_tables").fetchall()
            now_us = time.time_ns() // 1_000
            for table, location in rows:
                if table in self.visible and location and seen.get(table) != location:
                    seen[table] = location
                    metadata = json.loads(Path(urlsplit(location).path).read_bytes())
                    self.visible[table].append(Visible(metadata["current-snapshot-id"], now_us))
        connection.close()
