"""Notices that this machine's clock was set while the gateway runs, and has it compared with the exchange's again."""

import logging
import threading
import time
from collections.abc import Callable

from firehose_dagster.gateway.rest import ExchangeRefusedError, ExchangeUnavailableError

logger = logging.getLogger(__name__)

LOOK_EVERY_SECONDS = 1.0
JUMP_SECONDS = 1.0
"""NTP corrects small errors by running faster or slower; what is more than this was set."""
COMPARE_EVERY_SECONDS = 900.0
"""A clock may also drift."""
ASK_AGAIN_SECONDS = 10.0


class ClockWatch:
    """Compares two clocks of this machine each second; the exchange's is asked only where they moved apart.

    A laptop that slept looks like one whose clock was set: that costs one question.
    """

    def __init__(
        self,
        compare: Callable[[], None],
        halt: threading.Event,
        *,
        epoch_seconds: Callable[[], float] = time.time,
        steady_seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`compare` asks the exchange; it raises ClockError where the clock will not do."""
        self._compare = compare
        self._halt = halt
        self._epoch_seconds = epoch_seconds
        self._steady_seconds = steady_seconds
        self._offset = epoch_seconds() - steady_seconds()
        self._compare_at = steady_seconds() + COMPARE_EVERY_SECONDS

    def run(self) -> None:
        """Look until the gateway halts. Raises ClockError."""
        while not self._halt.wait(LOOK_EVERY_SECONDS):
            self.look()

    def look(self) -> None:
        """Have the clocks compared where that is due. Raises ClockError where this machine's is wrong."""
        now = self._steady_seconds()
        offset = self._epoch_seconds() - now
        moved_seconds = offset - self._offset
        if abs(moved_seconds) >= JUMP_SECONDS:
            logger.warning("event=clock_moved seconds=%.1f; it is compared with the exchange's", moved_seconds)
            self._offset, self._compare_at = offset, now
        if now < self._compare_at:
            return
        try:
            self._compare()
        except (ExchangeUnavailableError, ExchangeRefusedError) as error:
            logger.warning("event=clock_not_compared reason=%s", error)
            self._compare_at = now + ASK_AGAIN_SECONDS
            return
        self._offset, self._compare_at = offset, now + COMPARE_EVERY_SECONDS
