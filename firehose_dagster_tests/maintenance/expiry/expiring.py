"""Expiry of the small table as its tests run it, and what they look at afterwards."""

from collections.abc import Callable
from datetime import timedelta

from pyiceberg.catalog import Catalog
from pyiceberg.table import Table

from firehose_dagster.maintenance.expiry.plan import ExpiryPolicy, Needs
from firehose_dagster.maintenance.expiry.table_expiry import Expiry, ExpiryOutcome
from firehose_dagster.settings import Settings
from firehose_dagster_tests.maintenance.small_tables import (
    IDENTIFIER,
    on_disk,
)

AT_ONCE = ExpiryPolicy(min_age=timedelta(0), min_snapshots=1)


class Killed(BaseException):
    """Ends a run as a kill would: nothing below it is cleaned up."""


def needs_nothing(_: Table) -> Needs:
    return Needs()


def expire(
    settings: Settings,
    catalog: Catalog,
    *,
    policy: ExpiryPolicy = AT_ONCE,
    needs: Callable[[Table], Needs] = needs_nothing,
    on_step: Callable[[str], None] = lambda _: None,
) -> ExpiryOutcome:
    expiry = Expiry(settings, catalog, "ops_deliveries", IDENTIFIER, quiet_after_seconds=0, on_step=on_step)
    return expiry.run(needs, policy)


def files_of(table: Table) -> set[str]:
    """Data files, manifests and manifest lists on disk."""
    return on_disk(table, "data") | {each for each in on_disk(table, "metadata") if each.endswith(".avro")}


def ids_in(catalog: Catalog, snapshot_id: int | None = None) -> list[str]:
    return sorted(catalog.load_table(IDENTIFIER).scan(snapshot_id=snapshot_id).to_arrow()["spike_id"].to_pylist())
