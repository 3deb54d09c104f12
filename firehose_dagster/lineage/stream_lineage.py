"""Lineage of the stream: its run, and in it one job for each table that a micro-batch writes."""

import threading
from collections import Counter
from types import TracebackType
from typing import Self

from openlineage.client.event_v2 import RunEvent, RunState

from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lineage.client import open_emitter
from firehose_dagster.lineage.datasets import Datasets
from firehose_dagster.lineage.events import RunKey, run_event
from firehose_dagster.lineage.stages import STAGES, BatchFigures, snapshot_ids
from firehose_dagster.lineage.tracked_run import TrackedRun
from firehose_dagster.settings import Settings

STREAMS_JOB = "streams"


class StreamReports:
    """Figures of the batches since the last report. Batches come from the query's thread."""

    def __init__(self, datasets: Datasets, run: RunKey) -> None:
        self._datasets = datasets
        self._run = run
        self._parts = [(stage, run.child(f"{run.job}.{stage.output.name}")) for stage in STAGES]
        self._lock = threading.Lock()
        self._read: Counter[str] = Counter()
        self._written: Counter[str] = Counter()
        self._versions: dict[str, int] = {}

    def add(self, batch: BatchFigures) -> None:
        """Count one batch."""
        with self._lock:
            for stage, _ in self._parts:
                self._read[stage.output.name] += stage.rows_read(batch)
                self._written[stage.output.name] += stage.rows_written(batch)
            self._versions |= {name: version for name, version in snapshot_ids(batch).items() if version is not None}

    def events(self, state: RunState, error: str | None) -> list[RunEvent]:
        """The stream's own event, then one of each stage. Raises nothing that is not a fault of ours."""
        with self._lock:
            read, self._read = self._read, Counter()
            written, self._written = self._written, Counter()
            versions = dict(self._versions)
        events = [run_event(self._run, state, "STREAMING", doc="Takes the topic through all tables.", error=error)]
        counts = state != RunState.START
        for stage, key in self._parts:
            name = stage.output.name
            first, *others = stage.inputs
            inputs = [self._datasets.read(first, read[name] if counts else None, versions.get(first))]
            inputs += [self._datasets.read(other, None, versions.get(other)) for other in others]
            rows = written[name] if counts else None
            outputs = [self._datasets.written(name, rows, versions.get(name), stage)]
            doc = stage.output.doc
            events.append(run_event(key, state, "STREAMING", doc=doc, inputs=inputs, outputs=outputs, error=error))
        return events


class StreamLineage:
    """Use it as a context manager around the stream; call `add` after each batch."""

    def __init__(self, settings: Settings, run_id: str) -> None:
        catalog = open_catalog(settings)
        create_tables(catalog)

        def location_of(table: Table) -> str:
            return catalog.load_table(table.identifier).location()

        run = RunKey(settings.openlineage_namespace, STREAMS_JOB, run_id)
        self._reports = StreamReports(Datasets(settings, location_of), run)
        self._tracked = TrackedRun(open_emitter(settings), self._reports, settings.openlineage_interval_seconds)

    def __enter__(self) -> Self:
        self._tracked.__enter__()
        return self

    def add(self, batch: BatchFigures) -> None:
        """Count one batch, and report where a report is due. Never waits."""
        self._reports.add(batch)
        self._tracked.tell_if_due()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tracked.__exit__(kind, error, trace)
