"""Sends events from a thread of its own: whoever hands one over never waits, whatever the receiver does."""

import logging
import queue
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

logger = logging.getLogger(__name__)

CAPACITY = 1_000
CLOSE_TIMEOUT_SECONDS = 3.0
Event = TypeVar("Event")


class Emitter(Generic[Event]):
    """A bounded queue and one sender. Events that find it full, or that cannot be sent, are dropped and counted.

    `send` may raise any of `failures`; nothing else is expected of it. Of a receiver that stays away the log has one
    line at the first event lost, and one when an event gets through again.
    """

    def __init__(
        self,
        send: Callable[[Event], object],
        failures: tuple[type[Exception], ...],
        receiver: str,
        capacity: int = CAPACITY,
    ) -> None:
        self.sent = 0
        self.dropped = 0
        """Never sent, since the start."""
        self._send = send
        self._failures = failures
        self._receiver = receiver
        self._queue: queue.Queue[Event | None] = queue.Queue(maxsize=capacity)
        self._lock = threading.Lock()
        self._dropped_in_a_row = 0
        # A daemon: a process that ends must not wait for a receiver that hangs.
        self._thread = threading.Thread(target=self._run, name="lineage", daemon=True)
        self._thread.start()

    def offer(self, event: Event) -> None:
        """Hand over one event. Returns at once."""
        try:
            self._queue.put_nowait(event)
        except queue.Full:
            self._drop("the queue is full")

    def close(self, timeout_seconds: float = CLOSE_TIMEOUT_SECONDS) -> None:
        """Send what is queued, for `timeout_seconds` at most; what is left then is lost. No event comes after it."""
        try:
            self._queue.put_nowait(None)
        except queue.Full:
            self._drop("the queue is full")
            return
        self._thread.join(timeout_seconds)
        if self._thread.is_alive():
            logger.warning("lineage events lost at the end receiver=%s events=%d", self._receiver, self._queue.qsize())

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            try:
                self._send(event)
            except self._failures as error:
                self._drop(f"{type(error).__name__}: {error}")
            else:
                self._count_sent()

    def _drop(self, reason: str) -> None:
        with self._lock:
            self.dropped += 1
            self._dropped_in_a_row += 1
            is_first = self._dropped_in_a_row == 1
        if is_first:
            logger.warning("lineage events are lost receiver=%s reason=%s", self._receiver, reason)

    def _count_sent(self) -> None:
        with self._lock:
            self.sent += 1
            lost, self._dropped_in_a_row = self._dropped_in_a_row, 0
        if lost:
            logger.info("lineage events get through again receiver=%s lost=%d", self._receiver, lost)
