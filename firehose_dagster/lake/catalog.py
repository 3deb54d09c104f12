"""The lake's catalog as pyiceberg sees it: one place that says where tables live, and makes them from the contracts."""

import logging
from collections.abc import Mapping

from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.exceptions import CommitFailedException, NoSuchTableError, TableAlreadyExistsError
from pyiceberg.table import Table as IcebergTable
from sqlalchemy.exc import IntegrityError, OperationalError
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random

from firehose_dagster.contracts.table import CATALOG, NAMESPACE, Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.iceberg_schema import partition_spec, schema, sort_order
from firehose_dagster.settings import Settings

logger = logging.getLogger(__name__)


class LakeDiffersError(ExplainedError):
    """The lake was made by a version whose tables this one cannot take over."""


def warehouse_properties(settings: Settings) -> Mapping[str, str]:
    """Where tables are written: the setting, else a folder under the home.

    A REST catalog knows the place itself, and takes the setting as a name: it is sent only where it is set.
    """
    if settings.warehouse:
        return {"warehouse": settings.warehouse}
    return {} if settings.catalog_uri else {"warehouse": f"file://{settings.lake_dir / 'warehouse'}"}


def sqlite_path(settings: Settings) -> str:
    """The embedded catalog's database file, as both SQLAlchemy and JDBC take it."""
    return str(settings.lake_dir / "catalog.db")


def s3_properties(settings: Settings) -> Mapping[str, str]:
    """Access to the warehouse's object store, in the names that Iceberg's Java and Python file I/O share."""
    if not settings.s3_endpoint:
        return {}
    return {
        "s3.endpoint": settings.s3_endpoint,
        "s3.access-key-id": settings.s3_access_key.get_secret_value(),
        "s3.secret-access-key": settings.s3_secret_key.get_secret_value(),
        "s3.path-style-access": "true",
    }


def file_io_properties(settings: Settings) -> Mapping[str, str]:
    """How pyiceberg reads and writes files of the warehouse."""
    return {
        "py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO",
        "s3.region": settings.s3_region,
        **s3_properties(settings),
    }


def open_catalog(settings: Settings) -> Catalog:
    """Connect to the lake's catalog; the embedded one is made if it is not there.

    Raises what pyiceberg raises when a REST catalog does not answer.
    """
    if settings.catalog_uri:
        return load_catalog(
            CATALOG,
            type="rest",
            uri=settings.catalog_uri,
            **warehouse_properties(settings),
            **file_io_properties(settings),
        )
    (settings.lake_dir / "warehouse").mkdir(parents=True, exist_ok=True)
    return _open_embedded(settings)


def _another_was_faster(error: BaseException) -> bool:
    """At a first start many processes open the lake in the same moment: all look, one of them makes it."""
    if isinstance(error, OperationalError):
        return "already exists" in str(error)
    return isinstance(error, (IntegrityError, TableAlreadyExistsError, CommitFailedException))


_look_again = retry(
    retry=retry_if_exception(_another_was_faster), stop=stop_after_attempt(10), wait=wait_random(0, 0.1), reraise=True
)


@_look_again
def _open_embedded(settings: Settings) -> Catalog:
    return load_catalog(
        CATALOG,
        type="sql",
        uri=f"sqlite:///{sqlite_path(settings)}?timeout={settings.catalog_wait_seconds}",
        **warehouse_properties(settings),
        **file_io_properties(settings),
    )


def create_tables(catalog: Catalog) -> None:
    """Make every table of the contracts that is missing, add every column that is new. Nothing is ever dropped.

    Raises ``LakeDiffersError`` naming table and column where a column's type differs from the contract.
    """
    _create_namespace(catalog)
    for table in TABLES:
        _create_or_evolve(catalog, table)


@_look_again
def _create_namespace(catalog: Catalog) -> None:
    catalog.create_namespace_if_not_exists(NAMESPACE)


@_look_again
def _create_or_evolve(catalog: Catalog, table: Table) -> IcebergTable:
    wanted = schema(table)
    try:
        held = catalog.load_table(table.identifier)
    except NoSuchTableError:
        logger.info("table made name=%s", table.identifier)
        return catalog.create_table(
            table.identifier,
            schema=wanted,
            partition_spec=partition_spec(table),
            sort_order=sort_order(table),
            properties={**table.properties, "comment": table.doc},
        )
    held_types = {field.name: str(field.field_type) for field in held.schema().fields}
    for field in wanted.fields:
        if field.name in held_types and held_types[field.name] != str(field.field_type):
            raise LakeDiffersError(
                f"table {table.identifier}, column {field.name}: the lake holds {held_types[field.name]}, "
                f"the contract says {field.field_type}; a type is never changed in place: "
                "use the version that made this lake, or a new home"
            )
    added = [field.name for field in wanted.fields if field.name not in held_types]
    if added:
        with held.update_schema() as update:
            for name in added:
                field = wanted.find_field(name)
                update.add_column(name, field.field_type, doc=field.doc)
        logger.info("table evolved name=%s added=%s", table.identifier, ",".join(added))
    return held
