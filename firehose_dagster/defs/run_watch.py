"""Lets a long-running step notice that its run was ended without its process being told."""

import time

import dagster as dg

from firehose_dagster.defs.telling import told_if_possible

_ASK_EVERY_SECONDS = 5.0


class RunWatch:
    """Asks the instance now and then. When the code server dies, its workers live on and cannot be terminated."""

    def __init__(self, instance: dg.DagsterInstance, run_id: str) -> None:
        self._instance = instance
        self._run_id = run_id
        self._asked_at = time.monotonic()
        self._is_over = False

    def is_over(self) -> bool:
        """Whether the run is finished, or being cancelled, by the instance's word; where it has none, it goes on."""
        if not self._is_over and time.monotonic() - self._asked_at >= _ASK_EVERY_SECONDS:
            self._asked_at = time.monotonic()
            with told_if_possible("the question whether the run is over"):
                run = self._instance.get_run_by_id(self._run_id)
                self._is_over = run is None or run.is_finished or run.status == dg.DagsterRunStatus.CANCELING
        return self._is_over

    def end_as_told(self) -> None:
        """Where the run was over before its step: end the step so that Dagster leaves the run's end as it is.

        A step that simply returned would make a success of a run that a person had cancelled, and a sensor would start
        the next. Raises ``DagsterExecutionInterruptedError``, as *Terminate* does.
        """
        if self._is_over:
            raise dg.DagsterExecutionInterruptedError
