"""Takes the heal requests of other processes to the healer, and removes each file once its ids are settled."""

import logging
import threading
from pathlib import Path

from firehose_dagster.binance.gaps import IdRange
from firehose_dagster.gateway.heal import Healer
from firehose_dagster.gateway.heal_requests import HealRequest, pending
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class HealIntake:
    """Polled by one thread."""

    def __init__(self, settings: Settings, healer: Healer) -> None:
        self._settings = settings
        self._healer = healer
        self._taken: set[Path] = set()

    def poll(self) -> None:
        """Hand over every request that is new. One of a symbol that is not collected here is fetched too."""
        # Looked at before the files: one that is settled between the two would be taken a second time.
        taken = frozenset(self._taken)
        for path, requests in pending(self._settings).items():
            if path in taken:
                continue
            self._taken.add(path)
            logger.info("event=heal_requested file=%s ranges=%d", path.name, len(requests))
            self._take(path, requests)

    def _take(self, path: Path, requests: list[HealRequest]) -> None:
        left = len(requests)
        lock = threading.Lock()

        def note(_fetched: int) -> None:
            nonlocal left
            with lock:
                left -= 1
                is_last = left == 0
            if is_last:
                path.unlink(missing_ok=True)
                # The same question may come again, as the same file.
                self._taken.discard(path)
                logger.info("event=heal_request_settled file=%s", path.name)

        for each in requests:
            ids = IdRange(each.first, each.last)
            self._healer.request(each.symbol, ids, after_seconds=0, is_forced=True, on_settled=note)
