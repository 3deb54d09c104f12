"""Who takes rows from bronze because silver holds them, and who empties silver because bronze does, are never both.

Two tables have no common commit: without this, an hour that was proved and a silver that was found whole in the same
moment would leave the hour in neither.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout

from firehose_dagster.errors import ExplainedError
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)

LOCK_FILE = "bronze-retirement.lock"
PATIENCE_SECONDS = 300.0
"""One hour of bronze is compared and committed, or silver emptied, in less."""


class RetirementLockedError(ExplainedError):
    """The other of the two is at work, and was for long."""


@contextmanager
def bronze_and_silver_held(settings: Settings) -> Iterator[None]:
    """Within, nobody else of this home retires an hour of bronze or empties silver.

    Waits for who does so now. Raises ``RetirementLockedError`` where that is in vain.
    """
    path = settings.state_dir / LOCK_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        logger.info(
            "waits for the retention of bronze, or a rebuild of silver, to end its step lock=%s patience_seconds=%g",
            path,
            PATIENCE_SECONDS,
        )
        try:
            lock.acquire(timeout=PATIENCE_SECONDS)
        except Timeout as error:
            raise RetirementLockedError(
                f"the retention of bronze compares it with silver, or a rebuild empties silver, since more than "
                f"{PATIENCE_SECONDS:g} s ({path} is locked): let it end, then start this again"
            ) from error
    try:
        yield
    finally:
        lock.release()
