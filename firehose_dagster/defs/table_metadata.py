"""Contract -> Dagster: the asset of a table, with its columns, owner, kinds and storage."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from firehose_dagster.contracts.columns import ColumnType, Decimal
from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.lineage.stages import STAGES

MetadataEntry = int | float | str | dg.MetadataValue[Any]
"""What an event's metadata is made of."""

OWNERS = ["team:market-data"]
_FRESHNESS = dg.FreshnessPolicy.time_window(warn_window=timedelta(minutes=20), fail_window=timedelta(minutes=40))
"""Of a stream that materializes each quarter of an hour."""


def asset_spec(
    table: Table,
    *,
    deps: Sequence[dg.AssetSpec | dg.AssetKey],
    group: str,
    kinds: set[str],
    is_streamed: bool = False,
) -> dg.AssetSpec:
    """The asset named as the table. One that `is_streamed` is late when it was not materialized for 20 minutes."""
    return dg.AssetSpec(
        key=dg.AssetKey([table.name]),
        deps=deps,
        description=f"{table.doc}\n\nPartitioned by {table.partition.granularity} of `{table.partition.column}`.",
        group_name=group,
        kinds=kinds,
        owners=OWNERS,
        metadata={
            "dagster/column_schema": column_schema(table),
            "dagster/table_name": table.identifier,
            "dagster/storage_kind": "iceberg",
            **column_lineage(table),
        },
        freshness_policy=_FRESHNESS if is_streamed else None,
    )


def column_schema(table: Table) -> dg.TableSchema:
    """The table's columns as Dagster shows them."""
    return dg.TableSchema(
        columns=[
            dg.TableColumn(
                name=column.name,
                type=_type_name(column.type),
                description=column.doc,
                constraints=dg.TableColumnConstraints(nullable=not column.required),
            )
            for column in table.columns
        ]
    )


def column_lineage(table: Table) -> dict[str, dg.TableColumnLineage]:
    """From which columns of which tables each column is made; nothing for a table that is made from no table.

    On the definition, for it never changes: with each materialization it would fill the event log.
    """
    sources = {each.name for each in TABLES}
    origins = {
        column: origin
        for stage in STAGES
        if stage.output is table
        for column, origin in stage.columns.items()
        if origin.dataset in sources
    }
    if not origins:
        return {}
    return {
        "dagster/column_lineage": dg.TableColumnLineage(
            {
                column: [dg.TableColumnDep(dg.AssetKey([origin.dataset]), name) for name in origin.columns]
                for column, origin in origins.items()
            }
        )
    }


def _type_name(type_: ColumnType) -> str:
    return f"decimal({type_.precision},{type_.scale})" if isinstance(type_, Decimal) else type_.value
