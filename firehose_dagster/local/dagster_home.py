"""The Dagster instance of an installation: `dagster.yaml` and `workspace.yaml` under DAGSTER_HOME."""

import json

from firehose_dagster.local.compute_logs import ComputeLogsOfWorkers
from firehose_dagster.settings import Settings

LOCATION_NAME = "firehose"

INSTANCE_YAML = """\
# Written at each start by `firehose demo`; SQLite storage is Dagster's default.
telemetry:
  enabled: false

# Nobody is asked for an e-mail address when the UI opens for the first time.
nux:
  enabled: false

run_coordinator:
  module: dagster.core.run_coordinator
  class: QueuedRunCoordinator
  config:
    # A killed stream comes back by a run: it must not wait the default 5 s.
    dequeue_interval_seconds: 1

concurrency:
  runs:
    max_concurrent_runs: 10
  # One maintenance of the lake at a time: two cores are shared with the stream.
  pools:
    default_limit: 1

run_monitoring:
  enabled: true
  start_timeout_seconds: 180
  poll_interval_seconds: 20
  # A worker that was killed gives nothing back: without this its place in the pool is taken for ever.
  free_slots_after_run_end_seconds: 60

sensors:
  use_threads: true
  num_workers: 4
schedules:
  use_threads: true
  num_workers: 2

# Several sensors tick every 5 s: without these the event log grows without end.
retention:
  sensor:
    purge_after_days:
      skipped: 1
      success: 7
      failure: 7
  schedule:
    purge_after_days:
      skipped: 1
      success: 30
      failure: 30
"""


def workspace_yaml(settings: Settings) -> str:
    """The workspace that names the installation's code server."""
    server = {"host": "127.0.0.1", "port": settings.code_server_port, "location_name": LOCATION_NAME}
    return f"load_from:\n  - grpc_server: {json.dumps(server)}\n"


def instance_yaml(settings: Settings) -> str:
    """The instance that keeps all it has under the installation's home."""
    compute_logs = {
        "module": ComputeLogsOfWorkers.__module__,
        "class": ComputeLogsOfWorkers.__name__,
        "config": {"base_dir": str(settings.dagster_home / "storage")},
    }
    return f"{INSTANCE_YAML}\ncompute_logs: {json.dumps(compute_logs)}\n"


def write_dagster_home(settings: Settings) -> None:
    """Write both files, replacing what an earlier start wrote."""
    settings.dagster_home.mkdir(parents=True, exist_ok=True)
    (settings.dagster_home / "dagster.yaml").write_text(instance_yaml(settings))
    (settings.dagster_home / "workspace.yaml").write_text(workspace_yaml(settings))
