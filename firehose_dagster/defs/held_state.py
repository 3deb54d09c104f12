"""The state that a verification reads, held against expiry where it takes long."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from firehose_dagster.contracts.trade_tables import SILVER
from firehose_dagster.maintenance.expiry.readers import PinRefusedError, pin, release
from firehose_dagster.settings import Settings
from firehose_dagster.verification.pinned_lake import PinnedLake

_LOGGER = logging.getLogger(__name__)

_LASTS = timedelta(hours=6)
"""Longer than a run of the job may take: what a killed one left goes by itself."""


@contextmanager
def held_if_long(
    settings: Settings,
    lake: PinnedLake,
    start: Callable[[float, Callable[[], None]], threading.Timer] = threading.Timer,
) -> Iterator[None]:
    """Within, the snapshots that are read are pinned once a quarter of expiry's smallest age has passed.

    Not at once: a pin is a commit a table beside the stream, and most verifications are done by then. Until twice that
    time they can all be pinned still. One that cannot is told in the log, and the verification goes on.
    """
    min_age = timedelta(minutes=settings.snapshot_min_age_minutes)
    held: list[tuple[str, str]] = []

    def hold() -> None:
        for number, (identifier, snapshot_id) in enumerate(_read(lake)):
            reader = f"verify.{number}"
            try:
                pin(lake.catalog, reader, {identifier: snapshot_id}, min_age=min_age, lasts=_LASTS)
                held.append((reader, identifier))
            except PinRefusedError as error:
                _LOGGER.warning("not held reader=%s table=%s error=%s", reader, identifier, error)

    timer = start(min_age.total_seconds() / 4, hold)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        for reader, identifier in held:
            release(lake.catalog, reader, [identifier])


def _read(lake: PinnedLake) -> list[tuple[str, int]]:
    """Each table's snapshot as loaded, and the two older ones of silver that gold and completeness were made from."""
    tables = [
        (".".join(table.name()), snapshot.snapshot_id)
        for table in lake.tables.values()
        if (snapshot := table.current_snapshot()) is not None
    ]
    of_silver = (lake.gold_silver_snapshot_id, lake.completeness_silver_snapshot_id)
    older = [(SILVER.identifier, snapshot_id) for snapshot_id in of_silver if snapshot_id is not None]
    return list(dict.fromkeys([*tables, *older]))
