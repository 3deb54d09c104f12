"""History from the exchange's daily archive files, and live against archive."""

from datetime import date
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from firehose_dagster.commands.application import Home, app, settings_of, split_symbols, stop_on_signal

Folder = Annotated[Path | None, Parameter(help="Folder with daily files; without it they are fetched.")]
SymbolNames = Annotated[str, Parameter(name="--symbol", help="One or several, comma separated.")]


@app.command
def backfill(
    *,
    symbol: SymbolNames,
    from_day: Annotated[date, Parameter(name="--from", help="First day, for example 2026-01-01.")],
    to_day: Annotated[date, Parameter(name="--to", help="Last day, included.")],
    archive_dir: Folder = None,
    again: Annotated[bool, Parameter(negative="")] = False,
    home: Home = None,
) -> int:
    """Publish days of the archive to the topic: the trades that the lake does not hold. Safe to run again.

    Exit code 1 where a day's file is missing or it was stopped on the way.

    Parameters
    ----------
    again
        Publish all trades of the days; silver counts those it holds as duplicates.
    """
    from firehose_dagster.archive.opening import archive_days, archive_source, require_topic
    from firehose_dagster.archive.run import run_backfill
    from firehose_dagster.lake.catalog import create_tables, open_catalog

    settings = settings_of(home)
    days = archive_days(split_symbols(symbol), from_day, to_day)
    source = archive_source(settings, archive_dir)
    require_topic(settings)
    catalog = open_catalog(settings)
    create_tables(catalog)
    return 0 if run_backfill(settings, catalog, source, days, stop_on_signal(), again=again) else 1


@app.command
def reconcile_day(
    *,
    symbol: SymbolNames,
    day: Annotated[date, Parameter(help="For example 2026-01-01.")],
    archive_dir: Folder = None,
    home: Home = None,
) -> int:
    """Compare a day in silver with the archive, by id and content; exit 1 where they differ."""
    from firehose_dagster.archive.opening import archive_days, archive_source
    from firehose_dagster.archive.reconciliation import reconcile_day as reconcile
    from firehose_dagster.archive.rendering import reconciliation_text
    from firehose_dagster.lake.catalog import open_catalog

    settings = settings_of(home)
    source = archive_source(settings, archive_dir)
    catalog = open_catalog(settings)
    found = [reconcile(catalog, source, each) for each in archive_days(split_symbols(symbol), day, day)]
    print(reconciliation_text(found))
    return 0 if all(each.ok for each in found) else 1
