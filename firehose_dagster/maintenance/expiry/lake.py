"""Expiry of one table of the lake, with what the readers of this lake need of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.maintenance.compaction.unfinished import unfinished
from firehose_dagster.maintenance.expiry.history import NAMES, needs_of
from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs
from firehose_dagster.maintenance.expiry.table_expiry import Expiry, ExpiryOutcome
from firehose_dagster.settings import Settings

_NAMING = tuple({naming.name: naming for naming, _, _ in NAMES}.values())
EXPIRY_ORDER: tuple[Table, ...] = (*_NAMING, *(table for table in TABLES if table not in _NAMING))
"""First those that name snapshots of others: the others keep what is then still named."""


def policy(settings: Settings) -> ExpiryPolicy:
    """The settings in force."""
    return ExpiryPolicy(timedelta(minutes=settings.snapshot_min_age_minutes), settings.snapshots_min_kept)


def expire_table(settings: Settings, table: Table) -> ExpiryOutcome | None:
    """Expire what no reader needs; None where the table was never made.

    Raises ``CommitFailedException`` where writers were first at every attempt; nothing is lost, the next run goes on.
    """
    catalog = open_catalog(settings)
    if not _is_there(catalog, table):
        return None
    expiry = Expiry(settings, catalog, table.name, table.identifier)
    return expiry.run(what_is_needed(catalog, table), policy(settings))


def what_is_needed(catalog: Catalog, table: Table) -> Callable[[IcebergTable], Needs]:
    """What others rely on in the table, to be asked whenever a plan is made."""

    def ask(held: IcebergTable) -> Needs:
        needs = needs_of(catalog, table, held)
        return replace(needs, back_to={**needs.back_to, **_unfinished_rewrites(catalog, held, table)})

    return ask


def _unfinished_rewrites(catalog: Catalog, held: IcebergTable, table: Table) -> Mapping[int, str]:
    """A compaction that was killed is checked later, against the snapshot before it; its files may be put back."""
    rewrites = unfinished(catalog, held, table)
    return {
        each.rewrite.snapshot_id if each.parent_id is None else each.parent_id: "unfinished compaction"
        for each in rewrites
    }


def _is_there(catalog: Catalog, table: Table) -> bool:
    try:
        catalog.load_table(table.identifier)
    except NoSuchTableError:
        return False
    return True
