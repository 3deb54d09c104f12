"""What a long run tells Dagster is worth less than what it does: where Dagster takes no word, the run goes on."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_LOGGER = logging.getLogger(__name__)


@contextmanager
def told_if_possible(what: str) -> Iterator[None]:
    """Within, an error is a line in the log and ends what is within, no more. *Terminate* passes: it is no error.

    Not by Dagster's own log, which is kept where the word could not be stored.
    """
    try:
        yield
    except Exception as error:  # noqa: BLE001 - storages of many kinds, and none of their errors is one of the data
        _LOGGER.warning("not told to Dagster what=%s error=%s: %s", what, type(error).__name__, error)
