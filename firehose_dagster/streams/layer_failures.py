"""When a layer behind bronze fails: bronze goes on alone for a while, then all layers are tried again."""

from firehose_dagster.contracts.position import Position
from firehose_dagster.contracts.table import Table

FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 600.0


class LayerFailedError(RuntimeError):
    """A layer behind bronze could not take a batch that bronze holds. The cause says why, `told` in one line."""

    def __init__(self, table: Table, told: str) -> None:
        self.table = table
        super().__init__(f"{table.name} failed: {told}")


class LayerFailures:
    """How often in a row the layers failed at one place of the topic."""

    def __init__(self) -> None:
        self._position: Position | None = None
        self._failures = 0

    def pause_seconds(self, position: Position) -> float:
        """After a failure with silver at `position`: how long bronze goes on alone; 0 the first time, then doubling."""
        self._failures = self._failures + 1 if position == self._position else 1
        self._position = position
        if self._failures == 1:
            return 0.0
        return min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** (self._failures - 2))
