"""What a run prints is captured where a code server started a process for the run, and nowhere else.

Dagster captures by putting files in place of descriptors 1 and 2 of the whole process. The alert job is executed by the
code server, which has threads: what other sensors print in that moment, and for its whole life a worker started in it,
would go to the file of the alert's run.
"""

import multiprocessing
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from dagster._core.storage.compute_log_manager import CapturedLogContext, ComputeIOType
from dagster._core.storage.local_compute_log_manager import IO_TYPE_EXTENSION, LocalComputeLogManager
from dagster._serdes import ConfigurableClassData

_ELSEWHERE = "What this run printed is where the process prints that executed it; of an alert: the code server's log.\n"


class ComputeLogsOfWorkers(LocalComputeLogManager):
    """Dagster's local compute logs, for processes that a code server started. For `compute_logs` in `dagster.yaml`."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Mapping[str, Any]
    ) -> "ComputeLogsOfWorkers":
        return cls(inst_data=inst_data, **config_value)

    @contextmanager
    def capture_logs(self, log_key: Sequence[str]) -> Generator[CapturedLogContext, None, None]:
        if multiprocessing.parent_process() is not None:
            with super().capture_logs(log_key) as captured:
                yield captured
            return
        for kind in (ComputeIOType.STDOUT, ComputeIOType.STDERR):
            path = Path(self.get_captured_local_path(log_key, IO_TYPE_EXTENSION[kind]))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_ELSEWHERE)
        yield CapturedLogContext(log_key)
        Path(self.complete_artifact_path(log_key)).touch()  # type: ignore[no-untyped-call] # Dagster has no types there
