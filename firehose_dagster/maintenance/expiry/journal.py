"""What an expiry is about to delete, written down before it commits: a run that was killed in between is finished."""

import logging
import os
from pathlib import Path
from uuid import UUID

import msgspec

from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class ExpiryJournal(msgspec.Struct, frozen=True):
    """The snapshots to remove from a table and the files that nothing reaches without them."""

    table_uuid: UUID
    snapshot_ids: list[int]
    files: dict[str, int | None]
    """Location -> bytes, in the order in which they are deleted."""
    last_sequence_number: int
    """Of the table when this was planned: commits behind it were not looked at."""
    metadata_versions: list[str] = []
    """Earlier versions of its metadata that the table told of then; those that it tells no more go."""


class JournalFile:
    """The journal of one table: at most one, for one expiry of a table runs at a time."""

    def __init__(self, settings: Settings, table: str) -> None:
        self._path = _folder(settings) / f"expiry-{table}.json"

    def write(self, journal: ExpiryJournal) -> None:
        """Replace the journal at once: a reader sees the old one or the new one."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        part = self._path.with_suffix(".part")
        with part.open("wb") as file:
            file.write(msgspec.json.encode(journal))
            file.flush()
            # A name may outlive a power cut that its content does not.
            os.fsync(file.fileno())
        part.replace(self._path)

    def read(self) -> ExpiryJournal | None:
        """What an earlier run left; None where it left nothing, or a file that cannot be read and is removed.

        What the run had not deleted by then goes with the next removal of orphans.
        """
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=ExpiryJournal)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            logger.warning("expiry journal is unreadable and was removed path=%s error=%s", self._path, error)
            self.remove()
            return None

    def remove(self) -> None:
        """The expiry is complete."""
        self._path.unlink(missing_ok=True)


def _folder(settings: Settings) -> Path:
    return settings.state_dir / "maintenance"
