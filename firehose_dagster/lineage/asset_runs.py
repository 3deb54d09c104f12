"""Lineage of short runs, told after the fact: what a run read and wrote, and how it ended."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from openlineage.client.event_v2 import RunEvent, RunState

from firehose_dagster.contracts.table import Table
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.lineage.client import open_emitter
from firehose_dagster.lineage.datasets import Datasets
from firehose_dagster.lineage.events import RunKey, run_event
from firehose_dagster.settings import Settings


@dataclass(frozen=True, slots=True)
class AssetRun:
    """A run as its scheduler knows it; times are UTC."""

    job: str
    run_id: str
    state: Literal["START", "COMPLETE", "FAIL", "ABORT"]
    started_at: datetime
    ended_at: datetime | None
    inputs: Sequence[str] = ()
    """Datasets by the names that `Datasets.dataset` takes."""
    outputs: Mapping[str, int | None] | None = None
    """Rows that the output holds, by dataset; None where they are not known."""
    error: str | None = None


def run_events(datasets: Datasets, namespace: str, run: AssetRun) -> list[RunEvent]:
    """START, and the end where it has ended: a run may be over before anybody looked."""
    key = RunKey(namespace, run.job, run.run_id)
    inputs = [datasets.read(name) for name in run.inputs]
    events = [run_event(key, RunState.START, "BATCH", inputs=inputs, at=run.started_at)]
    if run.state != "START":
        outputs = [datasets.written(name, rows) for name, rows in (run.outputs or {}).items()]
        end = run_event(
            key,
            RunState[run.state],
            "BATCH",
            inputs=inputs,
            outputs=outputs,
            error=run.error,
            at=run.ended_at,
        )
        events.append(end)
    return events


def teller(settings: Settings) -> Callable[[AssetRun], None]:
    """What tells of runs, over one connection; keep it. Never waits for the receiver."""
    catalog = open_catalog(settings)
    create_tables(catalog)
    emitter = open_emitter(settings)

    def location_of(table: Table) -> str:
        return catalog.load_table(table.identifier).location()

    datasets = Datasets(settings, location_of)

    def tell(run: AssetRun) -> None:
        for event in run_events(datasets, settings.openlineage_namespace, run):
            emitter.offer(event)

    return tell
