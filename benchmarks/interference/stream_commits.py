"""Notes each commit of the stream: when it became visible, up to which offsets, and how often it was tried.

Asks the catalog as a reader would, and keeps what it saw: expiry may take the snapshots away while it watches.
"""

import json
import re
import sqlite3
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from firehose_dagster.contracts.position import OFFSETS, SILVER_SNAPSHOT, Position
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, SILVER

_ASK_EVERY_SECONDS = 0.02
_ATTEMPT = re.compile(r"/snap-\d+-(\d+)-[0-9a-f-]+\.avro$")


@dataclass(frozen=True, slots=True)
class StreamCommit:
    """One commit of the stream."""

    table: str
    visible_at_us: int
    attempts: int
    """1: it went through at once. Iceberg counts them in the name of the manifest list."""
    offsets: dict[int, int]
    """By partition: everything before is in the table, or for gold in what it was computed from."""


class CommitWatch:
    """Watches the embedded catalog from a thread until `stop`."""

    def __init__(self, catalog_db: Path) -> None:
        self._catalog_db = catalog_db
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="commit-watch")
        self._location: dict[str, str] = {}
        self._newest: dict[str, int] = {}
        self._silver_offsets: dict[int, dict[int, int]] = {}
        self.commits: list[StreamCommit] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        connection = sqlite3.connect(f"file:{self._catalog_db}?mode=ro", uri=True)
        while not self._stop.wait(_ASK_EVERY_SECONDS):
            rows = dict(connection.execute("select table_name, metadata_location from iceberg_tables").fetchall())
            now_us = time.time_ns() // 1_000
            # Silver before gold, which names its snapshots.
            for table in (BRONZE.name, SILVER.name, GOLD.name):
                location = rows.get(table)
                if location and self._location.get(table) != location:
                    self._location[table] = location
                    self._note(table, json.loads(Path(urlsplit(location).path).read_bytes()), now_us)
        connection.close()

    def _note(self, table: str, metadata: dict[str, Any], now_us: int) -> None:
        seen = self._newest.get(table, 0)
        for snapshot in metadata["snapshots"]:
            number = snapshot["sequence-number"]
            if number <= seen:
                continue
            self._newest[table] = max(number, self._newest.get(table, 0))
            offsets = self._offsets(table, snapshot)
            if offsets is not None:
                attempt = _ATTEMPT.search(snapshot["manifest-list"])
                self.commits.append(StreamCommit(table, now_us, int(attempt.group(1)) if attempt else 1, offsets))

    def _offsets(self, table: str, snapshot: dict[str, Any]) -> dict[int, int] | None:
        """None for a commit that is not the stream's."""
        summary = snapshot["summary"]
        if table == GOLD.name:
            return self._silver_offsets.get(int(summary.get(SILVER_SNAPSHOT, "0")))
        text = summary.get(OFFSETS)
        offsets = None if text is None else dict(Position.from_json(text).offsets)
        if table == SILVER.name:
            # A snapshot of maintenance holds what the one before it held; gold may name it.
            held = self._silver_offsets.get(snapshot.get("parent-snapshot-id", 0), {}) if offsets is None else offsets
            self._silver_offsets[snapshot["snapshot-id"]] = held
        return offsets
