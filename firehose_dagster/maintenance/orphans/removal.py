"""Orphan files of one table: listed, told, then removed. On a local folder or on S3, by the table's own file I/O."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from urllib.parse import urlparse

from pyarrow.fs import FileSelector, FileType
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.io.pyarrow import PyArrowFileIO
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.table import NAMESPACE, Table
from firehose_dagster.maintenance.expiry.files import MetadataFiles, reachable_from
from firehose_dagster.maintenance.file_removal import Removed, remove_files
from firehose_dagster.maintenance.orphans.plan import ListedFile, OrphanPlan, OrphansUnclearError, find_orphans, normal
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class OrphanStep(StrEnum):
    """The moments at which a run may be killed, in their order; a test kills at each."""

    LISTED = "listed"
    """The folder was listed; what the metadata names was read before it, and not yet after it."""
    TOLD = "told"
    LOOKED_AGAIN = "looked_again"
    FILE_REMOVED = "file_removed"
    """One of them; passed once a file."""
    REMOVED = "removed"


@dataclass(frozen=True, slots=True)
class OrphanOutcome:
    """What was found, and what of it was removed."""

    plan: OrphanPlan
    removed: Removed = field(default_factory=Removed)
    named_meanwhile: int = 0
    """Found, and left: a commit named them since."""


def remove_orphans(
    settings: Settings,
    catalog: Catalog,
    table: Table,
    *,
    dry_run: bool = False,
    on_plan: Callable[[OrphanPlan], None] = lambda _: None,
    on_step: Callable[[OrphanStep], None] = lambda _: None,
    now: datetime | None = None,
) -> OrphanOutcome | None:
    """Find the orphans of a table, tell them to `on_plan`, then remove them unless `dry_run`; None: there is no table.

    Just before the removal the metadata is read once more. Raises OrphansUnclearError where listing and metadata do not
    fit; a run that is killed in the middle leaves fewer orphans, and nothing else.
    """
    try:
        before = catalog.load_table(table.identifier)
    except NoSuchTableError:
        return None
    files = MetadataFiles(before.io)
    named_before = _named(files, before)
    listed = tuple(_list(before))
    on_step(OrphanStep.LISTED)
    found = find_orphans(
        before.location(),
        _other_locations(catalog, table),
        listed,
        named_before,
        _named(files, catalog.load_table(table.identifier)),
        timedelta(days=settings.orphan_min_age_days),
        now or datetime.now(UTC),
    )
    on_plan(found)
    for each in found.orphans:
        logger.info("orphan table=%s bytes=%d file=%s", table.name, each.size_bytes, each.location)
    on_step(OrphanStep.TOLD)
    if dry_run or not found.orphans:
        return OrphanOutcome(found)
    named_now = {normal(each) for each in _named(files, catalog.load_table(table.identifier))}
    garbage = {each.location: each.size_bytes for each in found.orphans if normal(each.location) not in named_now}
    on_step(OrphanStep.LOOKED_AGAIN)
    removed = remove_files(before.io, garbage, lambda _: on_step(OrphanStep.FILE_REMOVED))
    on_step(OrphanStep.REMOVED)
    return OrphanOutcome(found, removed, len(found.orphans) - len(garbage))


def _named(files: MetadataFiles, table: IcebergTable) -> list[str]:
    """Every file that the table's metadata names, its own files among them."""
    metadata = table.metadata
    reached = reachable_from(files, metadata, metadata.snapshots)
    return [*reached.all(), table.metadata_location, *(each.metadata_file for each in metadata.metadata_log)]


def _list(table: IcebergTable) -> Iterator[ListedFile]:
    io = table.io
    if not isinstance(io, PyArrowFileIO):
        raise OrphansUnclearError(
            f"files of {table.location()} are listed by PyArrow's file systems, not by {type(io)}"
        )
    scheme, netloc, path = PyArrowFileIO.parse_location(table.location())
    file_system = io.fs_by_scheme(scheme, netloc)
    prefix = f"{urlparse(table.location()).scheme}://" if urlparse(table.location()).scheme else ""
    for info in file_system.get_file_info(FileSelector(path, recursive=True)):
        if info.type == FileType.File:
            yield ListedFile(f"{prefix}{info.path}", info.size, info.mtime.astimezone(UTC))


def _other_locations(catalog: Catalog, table: Table) -> list[str]:
    return [
        catalog.load_table(identifier).location()
        for identifier in catalog.list_tables(NAMESPACE)
        if identifier[-1] != table.name
    ]
