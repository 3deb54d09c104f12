"""Lineage of the gateway: from the exchange to the topic."""

import threading
from types import TracebackType
from typing import Self

from openlineage.client.event_v2 import RunEvent, RunState

from firehose_dagster.contracts.table import Table
from firehose_dagster.lineage.client import open_emitter
from firehose_dagster.lineage.datasets import Datasets
from firehose_dagster.lineage.events import RunKey, run_event
from firehose_dagster.lineage.stages import EXCHANGE, TOPIC
from firehose_dagster.lineage.tracked_run import TrackedRun
from firehose_dagster.settings import Settings

GATEWAY_JOB = "gateway"


class GatewayReports:
    """Records delivered to the topic since the last report."""

    def __init__(self, datasets: Datasets, run: RunKey) -> None:
        self._datasets = datasets
        self._run = run
        self._lock = threading.Lock()
        self._delivered = 0
        self._told = 0

    def delivered(self, records: int) -> None:
        """Note how many the gateway has delivered since its start."""
        with self._lock:
            self._delivered = records

    def events(self, state: RunState, error: str | None) -> list[RunEvent]:
        """The gateway's event."""
        with self._lock:
            new, self._told = self._delivered - self._told, self._delivered
        rows = None if state == RunState.START else new
        return [
            run_event(
                self._run,
                state,
                "STREAMING",
                doc="Collects trades, heals gaps, produces to the topic.",
                inputs=[self._datasets.read(EXCHANGE, rows)],
                outputs=[self._datasets.written(TOPIC, rows)],
                error=error,
            )
        ]


class GatewayLineage:
    """Use it as a context manager around the gateway; call `delivered` with its status."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        run = RunKey(settings.openlineage_namespace, GATEWAY_JOB, run_id)
        self._reports = GatewayReports(Datasets(settings, _no_table), run)
        self._tracked = TrackedRun(open_emitter(settings), self._reports, settings.openlineage_interval_seconds)

    def __enter__(self) -> Self:
        self._tracked.__enter__()
        return self

    def delivered(self, records: int) -> None:
        """Say how many records were delivered since the start. Never waits."""
        self._reports.delivered(records)
        if records:
            self._tracked.tell_if_due()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracked.__exit__(kind, error, trace)


def _no_table(table: Table) -> str:
    raise KeyError(f"the gateway writes no table, so not {table.name}")
