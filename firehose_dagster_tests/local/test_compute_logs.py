"""Output is captured in a process of the run's own, and never in the code server."""

import multiprocessing
import os
import sys
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.local.compute_logs import ComputeLogsOfWorkers
from firehose_dagster.local.dagster_home import write_dagster_home
from firehose_dagster.settings import Settings

KEY = ["run", "compute_logs", "step"]


def _prints(folder: str) -> None:
    with ComputeLogsOfWorkers(base_dir=folder).capture_logs(KEY):
        os.write(sys.stdout.fileno(), b"from the worker\n")


def _captured(folder: Path) -> str:
    return (ComputeLogsOfWorkers(base_dir=str(folder)).get_log_data(KEY).stdout or b"").decode()


def test_in_a_worker_what_it_prints_is_captured(tmp_path: Path) -> None:
    worker = multiprocessing.get_context("spawn").Process(target=_prints, args=(str(tmp_path),))
    worker.start()
    worker.join(60)
    assert worker.exitcode == 0
    assert _captured(tmp_path) == "from the worker\n"


def test_in_a_code_server_nothing_is_captured_and_the_run_says_where_its_output_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    logs = ComputeLogsOfWorkers(base_dir=str(tmp_path))
    with logs.capture_logs(KEY):
        os.write(1, b"of another sensor\n")
    assert capfd.readouterr().out == "of another sensor\n"
    assert "the code server's log" in _captured(tmp_path)
    assert logs.is_capture_complete(KEY)


def test_the_installation_s_dagster_captures_so(settings: Settings) -> None:
    write_dagster_home(settings)
    with dg.DagsterInstance.from_config(str(settings.dagster_home)) as instance:
        assert isinstance(instance.compute_log_manager, ComputeLogsOfWorkers)
