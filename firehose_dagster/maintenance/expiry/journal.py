"""What an expiry is about to delete, written down before it commits: a run that was killed in between is finished."""

from pathlib import Path
from uuid import UUID

import msgspec

from firehose_dagster.settings import Settings


class ExpiryJournal(msgspec.Struct, frozen=True):
    """The snapshots to remove from a table and the files that nothing reaches without them."""

    table_uuid: UUID
    snapshot_ids: list[int]
    files: dict[str, int | None]
    """Location -> bytes, in the order in which they are deleted."""
    last_sequence_number: int
    """Of the table when this was planned: commits behind it were not looked at."""


class JournalFile:
    """The journal of one table: at most one, for one expiry of a table runs at a time."""

    def __init__(self, settings: Settings, table: str) -> None:
        self._path = _folder(settings) / f"expiry-{table}.json"

    def write(self, journal: ExpiryJournal) -> None:
        """Replace the journal at once: a reader sees the old one or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        part.write_bytes(msgspec.json.encode(journal))
        part.replace(self._path)

    def read(self) -> ExpiryJournal | None:
        """What an earlier run left; None where it left nothing. Raises msgspec.DecodeError for a torn file."""
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=ExpiryJournal)
        except FileNotFoundError:
            return None

    def remove(self) -> None:
        """The expiry is complete."""
        self._path.unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.state_dir / "maintenance"
