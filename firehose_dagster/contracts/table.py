"""What a table is: columns, partitioning, order and properties, as data."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from firehose_dagster.contracts.columns import Column

NAMESPACE = "crypto"
CATALOG = "lake"

Granularity = Literal["hour", "day"]

COMMON_PROPERTIES: Mapping[str, str] = {
    "format-version": "2",
    "write.parquet.compression-codec": "zstd",
    "write.distribution-mode": "none",
    "write.merge.distribution-mode": "none",
    "write.spark.fanout.enabled": "true",
    # A fast append adds a manifest a commit and every plan reads them all.
    "commit.manifest.min-count-to-merge": "6",
    "commit.manifest-merge.enabled": "true",
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "200",
}


@dataclass(frozen=True, slots=True)
class Partition:
    """Rows are partitioned by the `granularity` of the UTC timestamp column `column`."""

    column: str
    granularity: Granularity


@dataclass(frozen=True, slots=True)
class Table:
    """The contract of one table. Its columns are written here and nowhere else."""

    name: str
    doc: str
    """What one row is."""
    columns: tuple[Column, ...]
    partition: Partition
    sort: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=lambda: COMMON_PROPERTIES)

    @property
    def identifier(self) -> str:
        """`namespace.table`, as pyiceberg takes it."""
        return f"{NAMESPACE}.{self.name}"

    @property
    def spark_identifier(self) -> str:
        """`catalog.namespace.table`, as Spark SQL takes it."""
        return f"{CATALOG}.{NAMESPACE}.{self.name}"

    @property
    def column_names(self) -> tuple[str, ...]:
        """Names in table order."""
        return tuple(column.name for column in self.columns)
