"""Whether a layer of the running stream has failed long enough to be told: its checks belong to no run that ends."""

from datetime import datetime, timedelta

import dagster as dg

from firehose_dagster.alerts.failures import FailureAlert, alert_of_layer
from firehose_dagster.defs.layer_checks import CHECK
from firehose_dagster.defs.run_states import UNFINISHED
from firehose_dagster.local.dagster_runs import STREAMS_JOB
from firehose_dagster.settings import Settings
from firehose_dagster.streams.lease import lease_is_held
from firehose_dagster.streams.progress import StreamProgress, read_progress

_PASSES_WITHIN = timedelta(seconds=30)
"""The first failure is tried again at once: what is gone by then was nothing to wake anybody for."""


def failing_layer(
    settings: Settings, instance: dg.DagsterInstance, now: datetime, told: str | None
) -> tuple[str | None, FailureAlert | None]:
    """The layer that is told once the alert is posted, and the alert; no alert where it was told, or there is none.

    A layer that was told stays so until a batch went through all of them, also over a restart of the stream.
    """
    progress = read_progress(settings) if lease_is_held(settings) else None
    if progress is None or (progress.failing_table is None and progress.batches == 0):
        return told, None
    if progress.failing_table is None or progress.failing_since is None:
        return None, None
    if progress.failing_table == told or now - progress.failing_since < _PASSES_WITHIN:
        return told, None
    return progress.failing_table, _alert(progress, instance, progress.failing_table, progress.failing_since)


def _alert(progress: StreamProgress, instance: dg.DagsterInstance, layer: str, since: datetime) -> FailureAlert:
    hosts = instance.get_run_records(dg.RunsFilter(job_name=STREAMS_JOB, statuses=UNFINISHED), limit=1)
    run_id = hosts[0].dagster_run.run_id if hosts else f"process {progress.pid}"
    return alert_of_layer(layer, CHECK, since, progress.failing or "", run_id, STREAMS_JOB)
