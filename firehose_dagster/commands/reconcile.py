"""What the tables lack of each other and of the topic, found and published again."""

import uuid
from typing import Annotated

from cyclopts import Parameter

from firehose_dagster.commands.application import Home, app, settings_of, stop_on_signal


@app.command
def reconcile(*, dry_run: Annotated[bool, Parameter(negative="")] = False, home: Home = None) -> int:
    """Compare topic, bronze, silver and quarantine in the hours that are over; publish what is missing to the topic.

    The stream takes it from there. Safe to run again, and beside a stream. Exit code 1 where something is missing, was
    published, or is left for the next run.

    Parameters
    ----------
    dry_run
        Look, and publish nothing.
    """
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from firehose_dagster.gateway.replay_topic import ReplayTopic
    from firehose_dagster.lake.catalog import create_tables, open_catalog
    from firehose_dagster.maintenance.reconciliation.outcome import to_text
    from firehose_dagster.maintenance.reconciliation.reconcile import reconcile
    from firehose_dagster.streams.lease import lease_is_held

    settings, stop = settings_of(home), stop_on_signal()
    catalog = open_catalog(settings)
    create_tables(catalog)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as progress:
        task = progress.add_task("topic and hours", total=None)
        outcome = reconcile(
            catalog,
            settings,
            ReplayTopic(settings, stop),
            run_id=f"reconcile/{uuid.uuid4()}",
            dry_run=dry_run,
            is_stream_running=lease_is_held(settings),
            stop=stop,
            on_progress=lambda done, total: progress.update(task, completed=done, total=total),
        )
    print(to_text(outcome))
    return 0 if outcome.is_complete and not stop.is_set() else 1
