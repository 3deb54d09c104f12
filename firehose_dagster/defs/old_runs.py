"""Which runs of Dagster may go, and how one goes: its log, its file, what it printed, and last the run itself.

Dagster's own `retention` is about ticks alone, and its `delete_run` leaves the run's file where each run has one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import dagster as dg
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage

from firehose_dagster.defs.run_states import FINISHED

NEWEST_KEPT = 10
"""Of each job, whatever their age: more than any sensor looks back."""
_PAGE = 500
_VERDICTS = frozenset({AssetCheckExecutionRecordStatus.SUCCEEDED, AssetCheckExecutionRecordStatus.FAILED})
_PARTITION_TAGS = ("dagster/partition", "dagster/asset_partition_range_start")


@dataclass(frozen=True, slots=True)
class Removal:
    """What was done, and what is left."""

    removed: int
    are_left: bool
    """There were more than one time may remove."""


def remove_old_runs(instance: dg.DagsterInstance, unchanged_since: datetime, at_most: int) -> Removal:
    """Remove the oldest finished runs that have not changed since, but for those that are needed. Finds them again
    where it was interrupted.

    Needed are the newest of each job, its newest success, and each run from which comes what Dagster shows of an asset
    as its latest: the materialization, of each partition too, and a check's evaluation.
    """
    needed = _Needed(instance)
    chosen: list[str] = []
    cursor: str | None = None
    # Chosen before any is removed: Dagster finds no next page behind a run that is gone.
    while len(chosen) <= at_most:
        page = instance.get_run_records(
            dg.RunsFilter(statuses=FINISHED, updated_before=unchanged_since),
            limit=_PAGE,
            ascending=True,
            cursor=cursor,
        )
        chosen += [each.dagster_run.run_id for each in page if not needed.needs(each.dagster_run)]
        if len(page) < _PAGE:
            break
        cursor = page[-1].dagster_run.run_id
    for run_id in chosen[:at_most]:
        _remove(instance, run_id)
    return Removal(removed=len(chosen[:at_most]), are_left=len(chosen) > at_most)


@dataclass(slots=True)
class _Needed:
    """Which runs must stay, asked as they come up: there may be a year of them."""

    instance: dg.DagsterInstance
    _of_jobs: dict[str, frozenset[str]] = field(default_factory=dict)
    _of_assets: frozenset[str] | None = None
    _of_checks: dict[dg.AssetCheckKey, str | None] = field(default_factory=dict)

    def needs(self, run: dg.DagsterRun) -> bool:
        return (
            run.run_id in self._newest_of_job(run.job_name)
            or run.run_id in self._newest_of_assets()
            or self._made_a_partition(run)
            or self._judged_last(run.run_id)
        )

    def _newest_of_job(self, job_name: str) -> frozenset[str]:
        if job_name not in self._of_jobs:
            newest = [
                *self.instance.get_run_records(dg.RunsFilter(job_name=job_name, statuses=FINISHED), limit=NEWEST_KEPT),
                *self.instance.get_run_records(
                    dg.RunsFilter(job_name=job_name, statuses=[dg.DagsterRunStatus.SUCCESS]), limit=1
                ),
            ]
            self._of_jobs[job_name] = frozenset(each.dagster_run.run_id for each in newest)
        return self._of_jobs[job_name]

    def _newest_of_assets(self) -> frozenset[str]:
        if self._of_assets is None:
            entries = [each.asset_entry for each in self.instance.get_asset_records()]
            run_ids = {each.last_materialization.run_id for each in entries if each.last_materialization is not None}
            self._of_assets = frozenset(run_ids | {each.last_run_id for each in entries if each.last_run_id})
        return self._of_assets

    def _made_a_partition(self, run: dg.DagsterRun) -> bool:
        """Whether a partition's latest materialization is of this run. With it, Dagster would call the day missing."""
        if not any(tag in run.tags for tag in _PARTITION_TAGS):
            return False
        made = {
            (each.asset_key, each.partition)
            for each in self._events(run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
            if each.asset_key is not None and each.partition is not None
        }
        return any(self._made_last(key, partition) == run.run_id for key, partition in made)

    def _made_last(self, key: dg.AssetKey, partition: str) -> str | None:
        newest = self.instance.fetch_materializations(
            dg.AssetRecordsFilter(asset_key=key, asset_partitions=[partition]), limit=1
        ).records
        return newest[0].run_id if newest else None

    def _judged_last(self, run_id: str) -> bool:
        judged = {
            each.asset_check_evaluation_data.asset_check_key
            for each in self._events(run_id, dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        }
        return any(self._newest_of_check(key) == run_id for key in judged)

    def _newest_of_check(self, key: dg.AssetCheckKey) -> str | None:
        if key not in self._of_checks:
            # Not the latest execution, which may be one that was planned and came to no verdict.
            newest = self.instance.event_log_storage.get_asset_check_execution_history(key, limit=1, status=_VERDICTS)
            self._of_checks[key] = newest[0].run_id if newest else None
        return self._of_checks[key]

    def _events(self, run_id: str, kind: dg.DagsterEventType) -> Sequence[dg.DagsterEvent]:
        entries = self.instance.all_logs(run_id, of_type=kind)
        return [each.dagster_event for each in entries if each.dagster_event is not None]


def _remove(instance: dg.DagsterInstance, run_id: str) -> None:
    # The run itself last, so that one that was interrupted is found again. Not by `delete_run`, which has it go first.
    instance.compute_log_manager.delete_logs(prefix=[run_id])
    storage = instance.event_log_storage
    storage.delete_events(run_id)
    if isinstance(storage, SqliteEventLogStorage):
        # A file a run, as large without its rows as with them.
        path = Path(storage.path_for_shard(run_id))
        for each in (path, path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")):
            each.unlink(missing_ok=True)
    instance.run_storage.delete_run(run_id)
