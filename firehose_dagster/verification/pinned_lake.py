"""One consistent state of the lake, held still while the stream goes on writing.

Within a batch the stream commits bronze, quarantine, silver, spikes, gold, in this order. So silver's snapshot is taken
first and says by its stamp up to which offsets it holds the topic (the position); bronze and quarantine, read after it,
are at or ahead of that and are cut there. Gold is compared with the silver snapshot that its own stamp names.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import duckdb
from pyiceberg.catalog import Catalog
from pyiceberg.exceptions import NoSuchTableError
from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.ops_tables import OPS_AUDIT, OPS_COMPLETENESS, OPS_EXCHANGE_HOLES
from firehose_dagster.contracts.position import HOLES_SNAPSHOT, SILVER_SNAPSHOT, Position
from firehose_dagster.contracts.retirement import RETIRED_HOURS, from_text
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, QUARANTINE, SILVER, SPIKES
from firehose_dagster.errors import ExplainedError
from firehose_dagster.lake.bounded_duckdb import bounded_duckdb
from firehose_dagster.lake.catalog import open_catalog
from firehose_dagster.lake.duckdb_view import duckdb_type, make_empty_view, make_view
from firehose_dagster.lake.iceberg_schema import schema
from firehose_dagster.lake.snapshots import held_position, newest_stamp, was_emptied
from firehose_dagster.settings import Settings

MEMORY_LIMIT = "2GB"
"""Beyond it DuckDB spills to a folder under the home."""


class StateExpiredError(ExplainedError):
    """No consistent state of the lake can be read: a snapshot that one table names was expired in another."""


@dataclass(frozen=True, slots=True)
class PinnedLake:
    """The pinned tables, and a DuckDB connection with a view of each.

    Views: `silver`, `bronze` and `quarantine` (both up to the position), `gold`, `silver_of_gold`, `spikes`, `audit`,
    `completeness`, `silver_of_completeness`, and the exchange holes known now, to gold, and to completeness: `holes`,
    `holes_of_gold`, `holes_of_completeness`.
    """

    connection: duckdb.DuckDBPyConnection
    catalog: Catalog
    tables: Mapping[str, IcebergTable]
    """By contract name; a table that was never made is not in it. Each as loaded once."""
    silver_snapshot_id: int | None
    position: Position | None
    gold_snapshot_id: int | None
    gold_silver_snapshot_id: int | None
    """The silver snapshot that gold is a function of."""
    gold_is_being_made_anew: bool
    """Gold was emptied for a rebuild that is not over, or died."""
    completeness_silver_snapshot_id: int | None
    """The silver snapshot that the newest look at completeness looked at; None where it was expired since."""

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        """All rows of a query."""
        found: list[tuple[object, ...]] = self.connection.execute(sql).fetchall()
        return found

    def whole_number(self, sql: str) -> int:
        """The one whole number that a query yields; 0 for NULL."""
        ((value,),) = self.connection.execute(sql).fetchall()
        return int(value or 0)


@contextmanager
def pin(settings: Settings) -> Iterator[PinnedLake]:
    """Pin the lake of these settings.

    Raises StateExpiredError where the silver snapshot that gold names is there no more.
    """
    catalog = open_catalog(settings)
    # What is computed from silver first, so that the silver loaded next has the snapshots; the append-only ones last,
    # and of them the audit before the spikes that it tells of.
    order = (GOLD, OPS_COMPLETENESS, SILVER, BRONZE, QUARANTINE, OPS_AUDIT, SPIKES, OPS_EXCHANGE_HOLES)
    tables = {table.name: held for table in order if (held := _load(catalog, table)) is not None}
    silver, gold = tables.get(SILVER.name), tables.get(GOLD.name)
    silver_id, gold_id = _current_id(silver), _current_id(gold)
    position = held_position(silver, silver_id) if silver is not None and silver_id is not None else None
    gold_silver_id = _silver_of_gold(gold, silver, silver_id)
    looks, holes = tables.get(OPS_COMPLETENESS.name), tables.get(OPS_EXCHANGE_HOLES.name)
    looks_silver_id = _named(looks, SILVER_SNAPSHOT, silver)
    with bounded_duckdb("verify", memory_limit=MEMORY_LIMIT, spill_under=settings.spill_dir) as connection:
        _view(connection, "silver", SILVER, silver, silver_id)
        _view(connection, "silver_of_gold", SILVER, silver, gold_silver_id)
        _view(connection, "gold", GOLD, gold, gold_id)
        for name, table in (("bronze", BRONZE), ("quarantine", QUARANTINE)):
            held = tables.get(table.name)
            _view(connection, f"{name}_all", table, held, _current_id(held))
            if table is BRONZE:
                _add_retired(connection, held)
            cut = before(position)
            whole = "bronze_and_retired" if table is BRONZE else f"{name}_all"
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM {whole} WHERE {cut}")  # noqa: S608 numbers only
        for name, table in (("spikes", SPIKES), ("audit", OPS_AUDIT)):
            _view(connection, name, table, tables.get(table.name), _current_id(tables.get(table.name)))
        _view(connection, "completeness", OPS_COMPLETENESS, looks, _current_id(looks))
        _view(connection, "silver_of_completeness", SILVER, silver, looks_silver_id)
        _view(connection, "holes", OPS_EXCHANGE_HOLES, holes, _current_id(holes))
        _view(connection, "holes_of_gold", OPS_EXCHANGE_HOLES, holes, _named(gold, HOLES_SNAPSHOT, holes))
        _view(connection, "holes_of_completeness", OPS_EXCHANGE_HOLES, holes, _named(looks, HOLES_SNAPSHOT, holes))
        yield PinnedLake(
            connection=connection,
            catalog=catalog,
            tables=tables,
            silver_snapshot_id=silver_id,
            position=position,
            gold_snapshot_id=gold_id,
            gold_silver_snapshot_id=gold_silver_id,
            gold_is_being_made_anew=gold is not None and was_emptied(gold, SILVER_SNAPSHOT),
            completeness_silver_snapshot_id=looks_silver_id,
        )


def _add_retired(connection: duckdb.DuckDBPyConnection, bronze: IcebergTable | None) -> None:
    """Bronze of an hour that was retired is silver's rows of it and what bronze kept: `bronze_all` is both.

    Those rows were proved equal when they left; what is judged of them from then on is that silver still holds them.
    A trade that came into such an hour since, healed or backfilled, is in both: there it is bronze's row that counts.
    """
    retired = from_text(None if bronze is None else bronze.properties.get(RETIRED_HOURS))
    spans = " OR ".join(f"epoch_us(dt_hour) // 3600000000 BETWEEN {first} AND {last}" for first, last in retired)
    connection.execute(
        f"""
        CREATE VIEW bronze_and_retired AS
        SELECT * FROM bronze_all
        UNION ALL BY NAME
        SELECT s.*, epoch_us(event_ts) AS trade_time
        FROM (SELECT * FROM silver WHERE {spans or "false"}) s
        ANTI JOIN (SELECT kafka_partition, kafka_offset FROM bronze_all WHERE {spans or "false"}) b
        ON b.kafka_partition = s.kafka_partition AND b.kafka_offset = s.kafka_offset
        """  # noqa: S608 numbers only
    )


def _load(catalog: Catalog, table: Table) -> IcebergTable | None:
    try:
        return catalog.load_table(table.identifier)
    except NoSuchTableError:
        return None


def _current_id(table: IcebergTable | None) -> int | None:
    snapshot = None if table is None else table.current_snapshot()
    return None if snapshot is None else snapshot.snapshot_id


def _named(table: IcebergTable | None, stamp: str, other: IcebergTable | None) -> int | None:
    """The snapshot of the other table that a table's newest stamp names; None where none is named, or it is gone."""
    text = None if table is None else newest_stamp(table, stamp)
    if text is None or other is None or other.snapshot_by_id(int(text)) is None:
        return None
    return int(text)


def _silver_of_gold(gold: IcebergTable | None, silver: IcebergTable | None, silver_id: int | None) -> int | None:
    text = None if gold is None else newest_stamp(gold, SILVER_SNAPSHOT)
    if text is None or silver is None:
        return silver_id
    if silver.snapshot_by_id(int(text)) is None:
        raise StateExpiredError(
            f"gold was computed from snapshot {text} of {SILVER.name}, which is there no more: it was expired while "
            "gold stood still; let the stream run one batch and verify again"
        )
    return int(text)


def _view(
    connection: duckdb.DuckDBPyConnection, name: str, table: Table, held: IcebergTable | None, snapshot_id: int | None
) -> None:
    if held is None:
        types = {field.name: duckdb_type(field.field_type) for field in schema(table).fields}
        make_empty_view(connection, name, types)
    else:
        make_view(connection, name, held, snapshot_id)


def before(position: Position | None) -> str:
    """SQL: the record's offset is before the position. Without a position nothing is known to have been processed."""
    if position is None or not position.offsets:
        return "false"
    return " OR ".join(
        f"(kafka_partition = {partition} AND kafka_offset < {end})" for partition, end in position.offsets.items()
    )
