"""The life of one long run in lineage: started, going on now and then, and how it ended."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Protocol, Self

from openlineage.client.event_v2 import RunEvent, RunState

from firehose_dagster.lineage.emitter import Emitter


class Reports(Protocol):
    """What a run has to tell at any moment."""

    def events(self, state: RunState, error: str | None) -> list[RunEvent]:
        """The events of the run and its parts in this state; figures are since the last call."""


class TrackedRun:
    """Use it as a context manager. Emits START, RUNNING once an interval at most, and COMPLETE, FAIL or ABORT."""

    def __init__(
        self,
        emitter: Emitter[RunEvent],
        reports: Reports,
        interval_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._emitter = emitter
        self._reports = reports
        self._interval_seconds = interval_seconds
        self._clock = clock
        self._told_at: float | None = None

    def __enter__(self) -> Self:
        self._tell(RunState.START)
        return self

    def tell_if_due(self) -> None:
        """Report progress: at once the first time, then once an interval. Returns at once."""
        now = self._clock()
        if self._told_at is None or now - self._told_at >= self._interval_seconds:
            self._told_at = now
            self._tell(RunState.RUNNING)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._tell(RunState.COMPLETE)
        else:
            # What is no Exception was asked for: a person's Terminate, a signal.
            state = RunState.FAIL if issubclass(kind, Exception) else RunState.ABORT
            self._tell(state, f"{kind.__name__}: {error}")
        self._emitter.close()

    def _tell(self, state: RunState, error: str | None = None) -> None:
        for event in self._reports.events(state, error):
            self._emitter.offer(event)
