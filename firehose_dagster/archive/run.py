"""Several days one after the other, with a progress bar; one that is not in the archive stops no other."""

import sys
import threading
from collections.abc import Sequence

from pyiceberg.catalog import Catalog
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from firehose_dagster.archive.archive_files import ArchiveDayMissingError, ArchiveSource
from firehose_dagster.archive.backfill import OnProgress, backfill_day
from firehose_dagster.archive.day_outcome import DayOutcome
from firehose_dagster.archive.rendering import outcomes_text
from firehose_dagster.binance.archive import ArchiveDay
from firehose_dagster.gateway.confirmed_publisher import ConfirmedPublisher
from firehose_dagster.settings import Settings


def run_backfill(
    settings: Settings,
    catalog: Catalog,
    source: ArchiveSource,
    days: Sequence[ArchiveDay],
    stop: threading.Event,
    *,
    again: bool,
) -> bool:
    """Backfill the days and print what came of them; False where one was missing, or it was stopped.

    Raises what `backfill_day` raises, but for a missing day; the days before are printed and done.
    """
    publisher = ConfirmedPublisher(settings, stop)
    outcomes: list[DayOutcome] = []
    missing: list[str] = []
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    try:
        with Progress(*columns, console=Console(file=sys.stderr)) as progress:
            all_days = progress.add_task("days", total=len(days))
            for day in days:
                if stop.is_set():
                    break
                task = progress.add_task(f"{day.symbol} {day.day}", total=None)
                try:
                    outcome = backfill_day(
                        catalog, source, day, publisher, again=again, stop=stop, on_progress=_shown(progress, task)
                    )
                except ArchiveDayMissingError as error:
                    missing.append(str(error))
                else:
                    outcomes.append(outcome)
                progress.remove_task(task)
                progress.advance(all_days)
    finally:
        if outcomes:
            print(outcomes_text(outcomes))
    for message in missing:
        print(message)
    if stop.is_set():
        print(f"stopped after {len(outcomes)} of {len(days)} days; run it again to go on")
    return not missing and not stop.is_set()


def _shown(progress: Progress, task: TaskID) -> OnProgress:
    return lambda published, total: progress.update(task, completed=published, total=total)
