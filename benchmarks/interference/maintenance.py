"""Maintenance without a pause: `python -m benchmarks.interference.maintenance SECONDS EVERY`, home by FIREHOSE_HOME.

Compaction takes one group a run, so that there is work for the whole time; expiry and orphan removal take each table.
Prints one line of JSON: how often each ran.
"""

import json
import sys
import threading
import time

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.compaction.priority import beside_the_stream
from firehose_dagster.maintenance.compaction.report import CompactionReport, Outcome
from firehose_dagster.maintenance.compaction.step import Step
from firehose_dagster.maintenance.compaction.table_compaction import compact
from firehose_dagster.maintenance.expiry.lake import expire_table
from firehose_dagster.maintenance.orphans.removal import remove_orphans
from firehose_dagster.settings import Settings


def main(seconds: str, every: str) -> None:
    counts = beside_the_stream(lambda _: _maintain(float(seconds), float(every)))
    print(json.dumps(counts))


def _maintain(seconds: float, every_seconds: float) -> dict[str, int]:
    settings = Settings()
    catalog = open_catalog(settings)
    counts = dict.fromkeys(
        ("groups_rewritten", "groups_in_conflict", "files_merged", "snapshots_expired", "expiry_conflicts", "rounds"), 0
    )
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        counts["rounds"] += 1
        for table in TABLES:
            report = _one_group(settings, table)
            counts["groups_rewritten"] += len(report.rewritten)
            counts["files_merged"] += sum(each.files_before for each in report.rewritten)
            counts["groups_in_conflict"] += sum(each.outcome is Outcome.CONFLICT for each in report.results)
            outcome = expire_table(settings, table)
            if outcome is not None:
                counts["snapshots_expired"] += outcome.snapshots_expired
                counts["expiry_conflicts"] += outcome.conflicts
            remove_orphans(settings, catalog, table)
            if time.monotonic() > deadline:
                break
            time.sleep(every_seconds)  # the pause between rounds
    return counts


def _one_group(settings: Settings, table: Table) -> CompactionReport:
    stop = threading.Event()

    def after_the_first(step: Step) -> None:
        if step is Step.CHECKED:
            stop.set()

    return compact(settings, table, stop=stop, on_step=after_the_first)


if __name__ == "__main__":
    main(*sys.argv[1:])
