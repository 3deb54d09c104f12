"""One maintenance of many tables, where one of them ends the run."""

import json
from pathlib import Path

import dagster as dg
import pytest

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import BRONZE, SILVER
from firehose_dagster.defs.table_by_table import Told, table_by_table
from firehose_dagster.lake.catalog import create_tables, open_catalog
from firehose_dagster.settings import Settings


class _LostError(Exception):
    """A problem of one table alone."""


def _work(table: Table) -> int:
    if table is SILVER:
        raise OSError("no space left on device")
    return 7


def test_what_was_done_before_the_run_ended_is_in_the_audit(tmp_path: Path) -> None:
    catalog = open_catalog(Settings(home=tmp_path))
    create_tables(catalog)

    @dg.asset
    def some_maintenance(context: dg.AssetExecutionContext) -> None:
        table_by_table(
            context, catalog, "expiry", (BRONZE, SILVER), _work, lambda done: Told([done], {"files": done}), _LostError
        )

    with pytest.raises(OSError, match="no space left"):
        dg.materialize([some_maintenance])
    (row,) = catalog.load_table("crypto.ops_audit").scan().to_arrow().to_pylist()
    assert (row["kind"], json.loads(row["detail"])) == ("expiry:crypto_bronze_aggtrade", {"files": 7})
