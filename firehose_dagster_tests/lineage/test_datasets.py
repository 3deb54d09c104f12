"""Names by the OpenLineage specification, and no secret in any of them."""

import pytest
from openlineage.client.serde import Serde

from firehose_dagster.contracts.table import Table
from firehose_dagster.contracts.trade_tables import GOLD, SILVER
from firehose_dagster.lineage.datasets import Datasets
from firehose_dagster.lineage.stages import EXCHANGE, STAGES, TOPIC
from firehose_dagster.settings import Settings


def lies_at(location: str) -> Datasets:
    settings = Settings(
        kafka_bootstrap="broker-1:9092,broker-2:9092",
        topic="binance.aggtrade",
        exchange_ws_url="wss://data-stream.binance.vision",
        catalog_uri="https://user:password@catalog:8181/api?token=hidden",
        warehouse="lake",
    )
    return Datasets(settings, lambda table: f"{location}/{table.name}")


def name(datasets: Datasets, dataset: str) -> tuple[str, str]:
    found = datasets.dataset(dataset)
    return found.namespace, found.name


def test_each_kind_of_data_has_the_name_that_the_specification_gives_it() -> None:
    on_s3 = lies_at("s3://lake/wh/crypto")
    assert name(on_s3, EXCHANGE) == ("wss://data-stream.binance.vision", "aggTrade")
    assert name(on_s3, TOPIC) == ("kafka://broker-1:9092", "binance.aggtrade")
    assert name(on_s3, SILVER.name) == ("s3://lake", "wh/crypto/crypto_silver_trades")
    on_disk = lies_at("file:///home/me/.firehose/lake/warehouse/crypto")
    assert name(on_disk, SILVER.name) == ("file", "/home/me/.firehose/lake/warehouse/crypto/crypto_silver_trades")


def test_a_table_on_storage_without_a_rule_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="gs://bucket/crypto_silver_trades"):
        lies_at("gs://bucket").dataset(SILVER.name)


def test_a_table_is_described_by_its_contract_and_its_name_in_the_catalog() -> None:
    facets = Serde.to_dict(lies_at("s3://lake/wh").written(SILVER.name, 12, 7))["facets"]
    assert [field["name"] for field in facets["schema"]["fields"]] == list(SILVER.column_names)
    (price,) = [field for field in facets["schema"]["fields"] if field["name"] == "price"]
    assert (price["type"], price["ordinal_position"]) == ("decimal(18,8)", 3)
    assert facets["symlinks"]["identifiers"] == [
        {"namespace": "https://catalog:8181", "name": "crypto.crypto_silver_trades", "type": "TABLE"}
    ]
    assert facets["version"]["datasetVersion"] == "7"
    assert facets["catalog"]["type"] == "rest"


def test_figures_stand_where_they_are_known() -> None:
    datasets = lies_at("s3://lake/wh")
    written = Serde.to_dict(datasets.written(SILVER.name, 12))
    assert written["outputFacets"]["outputStatistics"]["rowCount"] == 12
    assert "version" not in written["facets"]
    assert Serde.to_dict(datasets.read(SILVER.name, 3))["inputFacets"]["inputStatistics"]["rowCount"] == 3
    assert Serde.to_dict(datasets.read(SILVER.name))["inputFacets"] == {}


def test_a_column_leads_to_the_columns_it_is_made_from() -> None:
    (stage,) = [stage for stage in STAGES if stage.output is GOLD]
    written = Serde.to_dict(lies_at("s3://lake/wh").written(GOLD.name, stage=stage))
    vwap = written["facets"]["columnLineage"]["fields"]["vwap"]["inputFields"]
    assert [(each["namespace"], each["name"], each["field"]) for each in vwap] == [
        ("s3://lake", "wh/crypto_silver_trades", column) for column in ("price", "qty", "event_ts")
    ]
    assert {each["transformations"][0]["subtype"] for each in vwap} == {"AGGREGATION"}


def test_no_secret_of_the_catalogs_address_is_told() -> None:
    told = Serde.to_json(lies_at("s3://lake/wh").dataset(SILVER.name))
    assert "password" not in told
    assert "hidden" not in told


def test_an_unknown_name_is_an_error() -> None:
    def nowhere(table: Table) -> str:
        raise AssertionError(table.name)

    with pytest.raises(KeyError):
        Datasets(Settings(), nowhere).dataset("crypto_nothing")
