"""The data of this installation under the names of the OpenLineage specification, with what describes it."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import get_type_hints
from urllib.parse import urlsplit

from openlineage.client.event_v2 import Dataset, InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    InputDatasetFacet,
    OutputDatasetFacet,
    catalog_dataset,
    column_lineage_dataset,
    dataset_version_dataset,
    documentation_dataset,
    input_statistics_input_dataset,
    output_statistics_output_dataset,
    schema_dataset,
    symlinks_dataset,
)
from openlineage.client.naming.dataset import S3, DatasetNaming, Kafka, LocalFileSystem

from firehose_dagster.contracts.columns import Decimal
from firehose_dagster.contracts.message import CONTRACT, AggTradeMessage
from firehose_dagster.contracts.table import CATALOG, Table
from firehose_dagster.contracts.tables import TABLES
from firehose_dagster.lineage.stages import EXCHANGE, TOPIC, Stage
from firehose_dagster.settings import Settings

_TABLE_BY_NAME: Mapping[str, Table] = {table.name: table for table in TABLES}


class Datasets:
    """Names and descriptions; `location_of` gives a table's location as its catalog says it."""

    def __init__(self, settings: Settings, location_of: Callable[[Table], str]) -> None:
        self._settings = settings
        self._location_of = location_of
        self._tables: dict[str, Dataset] = {}

    def dataset(self, name: str) -> Dataset:
        """The exchange, the topic, or a table by its name. Raises KeyError for any other name."""
        if name == EXCHANGE:
            return self._exchange
        if name == TOPIC:
            return self._topic
        if name not in self._tables:
            self._tables[name] = self._table(_TABLE_BY_NAME[name])
        return self._tables[name]

    def read(self, name: str, rows: int | None = None, version: int | None = None) -> InputDataset:
        """As an input, with the number of rows read and the snapshot that was read, where they are known."""
        dataset = self.dataset(name)
        figures: dict[str, InputDatasetFacet] = {}
        if rows is not None:
            figures["inputStatistics"] = input_statistics_input_dataset.InputStatisticsInputDatasetFacet(rowCount=rows)
        facets = {**(dataset.facets or {}), **_version(version)}
        return InputDataset(dataset.namespace, dataset.name, facets=facets, inputFacets=figures)

    def written(
        self, name: str, rows: int | None = None, version: int | None = None, stage: Stage | None = None
    ) -> OutputDataset:
        """As an output, with the number of rows written and the snapshot that they made, where they are known."""
        dataset = self.dataset(name)
        figures: dict[str, OutputDatasetFacet] = {}
        if rows is not None:
            statistics = output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet(rowCount=rows)
            figures["outputStatistics"] = statistics
        facets = {**(dataset.facets or {}), **_version(version)}
        if stage is not None and stage.columns:
            facets["columnLineage"] = self._column_lineage(stage)
        return OutputDataset(dataset.namespace, dataset.name, facets=facets, outputFacets=figures)

    @cached_property
    def _exchange(self) -> Dataset:
        url = urlsplit(self._settings.exchange_ws_url)
        doc = "Aggregate trades of the exchange, by WebSocket; what was missed is asked for by REST."
        return Dataset(f"{url.scheme}://{url.netloc}", "aggTrade", facets=_described(doc))

    @cached_property
    def _topic(self) -> Dataset:
        # The specification names one server of a cluster: the first of the list, whichever answers.
        host, _, port = self._settings.bootstrap_servers.split(",")[0].strip().rpartition(":")
        naming = Kafka(host, port, self._settings.topic)
        hints = get_type_hints(AggTradeMessage)
        fields = [(name, getattr(hints[name], "__name__", str(hints[name])), None) for name in hints]
        facets = {**_described(f"Trades as JSON, contract {CONTRACT}, keyed by symbol."), "schema": _schema(fields)}
        return Dataset(naming.get_namespace(), naming.get_name(), facets=facets)

    def _table(self, table: Table) -> Dataset:
        naming = _physical(self._location_of(table))
        catalog = urlsplit(self._settings.catalog_uri)
        is_rest = bool(self._settings.catalog_uri)
        fields = [
            (
                column.name,
                f"decimal({column.type.precision},{column.type.scale})"
                if isinstance(column.type, Decimal)
                else column.type.value,
                column.doc,
            )
            for column in table.columns
        ]
        # Without user, password and query: a catalog's address may carry secrets.
        place = f"{catalog.scheme}://{catalog.hostname}:{catalog.port or 443}" if is_rest else f"jdbc:{CATALOG}"
        identifier = symlinks_dataset.Identifier(namespace=place, name=table.identifier, type="TABLE")
        facets: dict[str, DatasetFacet] = {
            **_described(table.doc),
            "schema": _schema(fields),
            "symlinks": symlinks_dataset.SymlinksDatasetFacet(identifiers=[identifier]),
            "catalog": catalog_dataset.CatalogDatasetFacet(
                framework="iceberg", type="rest" if is_rest else "jdbc", name=CATALOG, source="spark"
            ),
        }
        return Dataset(naming.get_namespace(), naming.get_name(), facets=facets)

    def _column_lineage(self, stage: Stage) -> DatasetFacet:
        fields = {}
        for column, origin in stage.columns.items():
            source = self.dataset(origin.dataset)
            how = column_lineage_dataset.Transformation(type="DIRECT", subtype=origin.how)
            fields[column] = column_lineage_dataset.Fields(
                inputFields=[
                    column_lineage_dataset.InputField(source.namespace, source.name, name, transformations=[how])
                    for name in origin.columns
                ]
            )
        return column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields)


def _physical(location: str) -> DatasetNaming:
    """A table is named by where it lies; its name in the catalog is a symlink. Raises ValueError for other storage."""
    url = urlsplit(location)
    match url.scheme:
        case "s3" | "s3a":
            return S3(url.netloc, url.path.strip("/"))
        case "file" | "":
            return LocalFileSystem(url.path.rstrip("/"))
        case _:
            raise ValueError(f"{location}: lineage knows tables on S3 and on local disks")


def _schema(fields: Sequence[tuple[str, str, str | None]]) -> DatasetFacet:
    return schema_dataset.SchemaDatasetFacet(
        fields=[
            schema_dataset.SchemaDatasetFacetFields(
                name=name, type=type_, description=doc, ordinal_position=position, fields=None
            )
            for position, (name, type_, doc) in enumerate(fields, start=1)
        ]
    )


def _described(doc: str) -> dict[str, DatasetFacet]:
    return {"documentation": documentation_dataset.DocumentationDatasetFacet(description=doc)}


def _version(version: int | None) -> dict[str, DatasetFacet]:
    if version is None:
        return {}
    return {"version": dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(version))}
