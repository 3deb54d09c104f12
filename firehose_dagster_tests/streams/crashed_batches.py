"""Three parts of a topic with all kinds of rows, and what a crash within the second or third leaves in the lake."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

from pyiceberg.table import Table as IcebergTable

from firehose_dagster.contracts.ops_tables import OPS_AUDIT
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, GOLD, GOLD_PROVENANCE_COLUMNS, QUARANTINE, SILVER, SPIKES
from firehose_dagster.lake.catalog import sqlite_path
from firehose_dagster.settings import Settings
from firehose_dagster.streams.bronze_replay import replay_from_bronze
from firehose_dagster.streams.rebuild import empty_for_rebuild
from firehose_dagster_tests.maintenance.small_tables import on_disk, reached
from firehose_dagster_tests.streams.scenario import Message, Scenario, trade

REFUSAL = "refused by a trigger"
_REVISED_GOLD = ", ".join(
    name for name in GOLD.column_names if name == "revision" or name not in GOLD_PROVENANCE_COLUMNS
)


def calm() -> list[Message]:
    """Minutes without a spike; the first is final once they are taken."""
    return [
        trade(1, 0, symbol="ETHUSDT"),
        *(trade(agg_id, agg_id, price="100", qty="1") for agg_id in range(1, 13)),
    ]


def second() -> list[Message | bytes]:
    """Two spikes, a duplicate, a conflict, two bad rows, a late row for a minute that is final."""
    return [
        trade(13, 13, price="100", qty="50"),
        trade(12, 12, price="100", qty="1"),
        b"no trade",
        trade(5, 5, price="7"),
        trade(14, 14, price="100", qty="1"),
        trade(2, 0, symbol="ETHUSDT"),
        trade(15, 15, price="0"),
        trade(15, 15, price="130", qty="1"),
    ]


def third() -> list[Message | bytes]:
    """Another spike, a duplicate of the second part, a bad row."""
    return [
        trade(16, 16, price="130", qty="1"),
        trade(13, 13, price="100", qty="50"),
        b"[]",
        trade(17, 17, price="130", qty="500"),
    ]


def revised_gold(scenario: Scenario) -> list[dict[str, Any]]:
    """The content of gold, and how often each row changed after it was final."""
    return scenario.query(f"SELECT {_REVISED_GOLD} FROM crypto_gold_minute ORDER BY symbol, minute")  # noqa: S608 names of the contract


def require_all_taken_once(scenario: Scenario, gold_without_a_crash: list[dict[str, Any]]) -> None:
    """The three parts are in the lake, as if nothing had happened."""
    scenario.require_proven()
    assert scenario.count("crypto_bronze_aggtrade") == 25
    assert scenario.count("crypto_silver_trades") == 19
    assert scenario.quarantined() == [
        (15, ["message_is_a_flat_json_object"]),
        (16, ["same_id_has_same_content"]),
        (19, ["price_is_positive"]),
        (23, ["message_is_a_flat_json_object"]),
    ]
    spikes = scenario.query("SELECT kind FROM crypto_spikes ORDER BY minute, kind")
    assert [row["kind"] for row in spikes] == ["volume", "price", "volume"]
    assert revised_gold(scenario) == gold_without_a_crash


_TABLES = (BRONZE, QUARANTINE, SILVER, SPIKES, GOLD, OPS_AUDIT)


class Left(NamedTuple):
    """What a batch that crashed has left."""

    snapshots: tuple[int, ...]
    """New ones of bronze, quarantine, silver, spikes, gold and audit."""
    told: int = 0
    """Batches of which the host heard."""
    unlisted: frozenset[str] = frozenset()
    """The tables with data files that no snapshot lists."""


def held(scenario: Scenario) -> Left:
    """All that there is of it now."""
    tables = [scenario.catalog.load_table(each.identifier) for each in _TABLES]
    unlisted = frozenset(table.name()[-1] for table in tables if _unlisted_files(table))
    return Left(tuple(len(table.metadata.snapshots) for table in tables), len(scenario.audits), unlisted)


def left_since(before: Left, after: Left) -> Left:
    """What came between two looks."""
    snapshots = tuple(now - then for then, now in zip(before.snapshots, after.snapshots, strict=True))
    return Left(snapshots, after.told - before.told, after.unlisted - before.unlisted)


def _unlisted_files(table: IcebergTable) -> set[str]:
    """By name, for Spark and the driver write a location in two forms; each has a UUID in it."""
    listed = {path.rpartition("/")[2] for path in reached(table, table.metadata.snapshots)}
    return {path.rpartition("/")[2] for path in on_disk(table, "data") if path.endswith(".parquet")} - listed


@contextmanager
def refusing_commits(settings: Settings, table: Table) -> Iterator[None]:
    """Within, the catalog takes no commit of the table: its files are written, as at a kill before the commit."""
    with closing(sqlite3.connect(sqlite_path(settings), isolation_level=None)) as catalog:
        catalog.execute(
            f"CREATE TRIGGER refusal BEFORE UPDATE ON iceberg_tables WHEN NEW.table_name = '{table.name}' "
            f"BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
        )
        try:
            yield
        finally:
            catalog.execute("DROP TRIGGER refusal")


def make_silver_anew(scenario: Scenario) -> None:
    """As `firehose rebuild silver` does, and the stream behind it; the lake is proven then."""
    empty_for_rebuild(scenario.spark, scenario.catalog, scenario.settings, "silver")
    replay_from_bronze(scenario.spark, scenario.catalog, scenario.settings, scenario.started(), threading.Event())
    scenario.run()
    scenario.stop()
    scenario.require_proven()
